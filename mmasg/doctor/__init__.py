"""What a training by a config will do, and what will stop or spoil it, said before it begins."""
