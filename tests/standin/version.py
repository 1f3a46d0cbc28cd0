# SPDX-License-Identifier: Apache-2.0
"""Which server is imitated, and the behaviours that changed between 1.12.4 and 1.18.3, each named once."""

COMMITS = {
    "1.12.4": "5b578c4f34188f0474f901e49d4726213596433d",
    "1.18.3": "db8fa43fcb6aedec1e739487e17a99731b74590a",
}


class Version:
    """Answers "does this server already ...?" for the version given on the command line."""

    def __init__(self, text: str):
        if text not in COMMITS:
            raise ValueError(f"version {text} is not imitated, choose one of {', '.join(COMMITS)}")
        self.text = text
        self.commit = COMMITS[text]
        number = tuple(int(part) for part in text.split("."))
        self.merges_slashes = number >= (1, 13, 3)
        self.omitted_payload_clears = number >= (1, 14, 1)
        self.checks_names_everywhere = number >= (1, 15, 0)
        self.has_update_filter = number >= (1, 15, 4)
        self.has_metadata = number >= (1, 15, 4)
        self.has_locks = number < (1, 16, 0)
        self.has_shard_list = number >= (1, 16, 2)
        self.has_optimizations = number >= (1, 16, 3)
        self.has_write_timeout = number >= (1, 16, 3)
        self.has_update_mode = number >= (1, 17, 0)
        self.has_update_queue = number >= (1, 17, 0)
        self.has_vector_names = number >= (1, 18, 0)
        self.default_wait_ms = 60_000 if number >= (1, 18, 0) else None
        self.checks_vectors_before_queue = number >= (1, 18, 1)
        self.first_operation = 1 if number >= (1, 18, 0) else 0
        self.name_parameter = "collection_name" if number >= (1, 18, 0) else "name"
        self.indexing_threshold = 10_000 if number >= (1, 18, 0) else 20_000
        self.shows_strict_mode = number < (1, 18, 0)
