"""The dose register: what each examination gave, from dose reports (RDSR), pictures and procedure steps."""
