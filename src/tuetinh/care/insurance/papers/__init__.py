"""Papers that a doctor issues in a visit and the insurance takes as tables 6 to 15: asked once, printed, claimed.

A paper is a QuestionnaireResponse whose items are named after the fields of its table. It asks only for what the visit
does not know; what kind of question a field is, and what it must hold, is said by the description of the table.
"""
