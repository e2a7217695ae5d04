"""The lists of diseases of TT 01/2025/TT-BYT, which change what the fund owes and how long a referral holds."""
