"""Evidence packs: an RO-Crate in a bag, for those who have to judge and to keep."""
