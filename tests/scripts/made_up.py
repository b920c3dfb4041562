"""For the tests of the studies' figures: what hand-made records share."""

IDENTITY = {"commit": "0123456789ab", "programs": "p",
            "machine": {"cpu": "C", "cpus_allowed": "0-1", "memory_gib": 4, "kernel": "6",
                        "rmem_max": 1, "mitigations": ""}}
