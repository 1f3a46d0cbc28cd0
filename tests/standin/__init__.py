# SPDX-License-Identifier: Apache-2.0
"""A stand-in for Qdrant's REST port: enough of the server to test a dual-write proxy against.

Searches and filters are computed by qdrant-client's local mode, which the makers of Qdrant keep in step with the
server. Everything around them (HTTP, routing, decoding, the update queue, error texts) is imitated here.
Reading order: server, http, routing, handlers, collection, operations, rows.
"""
