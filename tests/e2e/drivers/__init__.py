# SPDX-License-Identifier: Apache-2.0
"""What the end-to-end tests drive: the proxy, Redis, Qdrant or its stand-in, scripted upstreams, and clients."""
