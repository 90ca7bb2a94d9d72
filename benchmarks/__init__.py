"""What verification costs, measured: each script writes one file into `results/`, `report` renders all of them."""
