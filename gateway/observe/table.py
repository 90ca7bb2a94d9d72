"""The metrics, one row each: what the workers count, what the private listener tells, and what the README lists."""

from typing import Final, Literal

import msgspec

PREFIX: Final = "wfm_gateway_"

STAGES: Final = ("read", "key", "verify", "body", "claim", "upstream")
"""Stages of a request in their order; a stage's number is its place here."""

READ, KEY, VERIFY, BODY, CLAIM, UPSTREAM = range(6)

METHODS: Final = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
"""Every other method is counted under `other`: a sender must not be able to make series."""


class Metric(msgspec.Struct, frozen=True, gc=False):
    """One metric. `nanoseconds`: the page has whole nanoseconds, and seconds are told. `of_workers`: how the values of
    several workers become one."""

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    help: str
    labels: tuple[str, ...] = ()
    nanoseconds: bool = False
    of_workers: Literal["sum", "max"] = "sum"


_ROWS: Final = (
    Metric("requests_total", "counter", "Requests that ended; code 499: the client went away before its answer.",
           ("route", "method", "code")),
    Metric("verdicts_total", "counter", "Requests by verdict: accepted, open, own (answered here), unverified (passed "
           "on unseen), abandoned, or the reason of a refusal, told or observed; and by the algorithm of the "
           "signature that was looked at.", ("reason", "algorithm")),
    Metric("request_duration_seconds", "histogram", "From the head of a request to the end of its answer.",
           ("verdict",), nanoseconds=True),
    Metric("stage_duration_seconds", "histogram", "Time in each stage of the requests that came to it.", ("stage",),
           nanoseconds=True),
    Metric("open_connections", "gauge", "Open connections of clients."),
    Metric("connections_total", "counter", "Connections of clients that were accepted."),
    Metric("connections_refused_total", "counter", "Connections closed at once because of limits.connections."),
    Metric("cache_lookups_total", "counter", "Look-ups of clients: hit and negative are answered by the worker's cache "
           "alone, miss asks the store, stale is a hit while the store is away.", ("answer",)),
    Metric("cache_entries", "gauge", "Clients in the caches of the workers, counted once per worker."),
    Metric("cache_evictions_total", "counter", "Clients that left a cache for want of room."),
    Metric("clients_learned_total", "counter", "Clients found by the origin, and recorded."),
    Metric("replay_claims_total", "counter", "Replay claims by the store's answer: claimed, seen, or failed.",
           ("answer",)),
    Metric("store_connected", "gauge", "Workers that are connected to the store."),
    Metric("store_connections_total", "counter", "Connections to the store that came to be used."),
    Metric("store_round_trips_total", "counter", "Batches of commands that the store answered."),
    Metric("store_round_trip_seconds_total", "counter", "Time that these batches took, together.", nanoseconds=True),
    Metric("store_timeouts_total", "counter", "Commands that the store did not answer in time."),
    Metric("changes_age_seconds", "gauge", "Since the registry's changes were last followed, in the worker that is "
           "furthest behind; known clients pass for registry.max_stale_s.", nanoseconds=True, of_workers="max"),
    Metric("upstream_connections", "gauge", "Connections to the backend by state: busy or idle.", ("state",)),
    Metric("upstream_server_up", "gauge", "Workers that send requests to a server; told of servers that are one of "
           "several, or are checked.", ("upstream", "server")),
    Metric("upstream_server_requests", "gauge", "Requests that such a server has at the moment.",
           ("upstream", "server")),
    Metric("loop_lag_seconds", "gauge", "How late the latest timer of the busiest worker was.", nanoseconds=True,
           of_workers="max"),
    Metric("log_lines_dropped_total", "counter", "Log lines lost because nobody took them in time."),
    Metric("worker_cpu_seconds_total", "counter", "Processor time of the workers.", nanoseconds=True),
    Metric("worker_resident_bytes", "gauge", "Memory of the workers that is in use, shared pages counted in each."),
    Metric("workers", "gauge", "Worker processes by state: configured or serving.", ("state",)),
    Metric("worker_restarts_total", "counter", "Workers that ended by themselves and were replaced."),
    Metric("draining", "gauge", "1 while the gateway finishes what has begun and takes nothing new."),
    Metric("start_time_seconds", "gauge", "When the gateway was started, in seconds since 1970."),
    Metric("build_info", "gauge", "Always 1; the labels say what runs.", ("version", "plane", "engine"),
           of_workers="max"),
    Metric("unsafe_setting", "gauge", "1 for each setting that opens something; see wfm-gateway check.", ("setting",)),
    Metric("certificates_expiring", "gauge", "Active clients whose last certificate ends within 30 days."),
    Metric("certificates_expired", "gauge", "Active clients whose last certificate has ended."),
    Metric("records_damaged", "gauge", "Records of the registry that cannot be read."),
    Metric("survey_timestamp_seconds", "gauge", "When the registry was last counted; without a survey these four are "
           "not told."),
)  # fmt: skip

METRICS: Final = {row.name: row for row in _ROWS}
"""By name, without the prefix, in the order in which they are told."""
