"""What the quickstart shows: an application that never stops, and the migration walked through under it.

SPDX-License-Identifier: Apache-2.0
"""
