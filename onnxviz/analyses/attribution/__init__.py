"""Attribution: which parts of a real input matter for a target."""
