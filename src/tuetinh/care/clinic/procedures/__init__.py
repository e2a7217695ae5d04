"""Surgery and procedures of a visit: what was done, when, by whom and under which anaesthesia (QĐ 3176, bảng 3)."""
