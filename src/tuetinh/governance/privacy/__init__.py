"""The duties towards the people whose data this is: what is processed and why, what they ask for, what went wrong.

For the records office (requests), administrators as officers of data protection (register, breaches), and citizens.
Luật 91/2025/QH15 and NĐ 356/2025; retention by TT 33/2025/TT-BYT.
"""
