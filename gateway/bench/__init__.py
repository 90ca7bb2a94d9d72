"""The benchmark: what verification costs on this machine, in pieces and through a gateway that runs."""
