"""The work laid on the machine: degrees, what is sharded, what is computed again."""
