"""`python3 -m ksm_rmap` is the command `ksm-rmap`."""

from ksm_rmap.cli import main

if __name__ == "__main__":
    raise SystemExit(main())
