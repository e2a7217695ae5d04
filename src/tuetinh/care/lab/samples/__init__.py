"""The way of specimens: tubes for orders, collection, reception, storage, transport to other laboratories."""
