"""The commands of `wfm-gateway`, one file each."""
