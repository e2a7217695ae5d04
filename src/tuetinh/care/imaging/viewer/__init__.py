"""The viewer of pictures, OHIF, within our login: who may open which studies, and what else is shown beside them."""
