"""What becomes of a result: judged by rules that are data, validated in two steps, signed, corrected, called about."""
