//! The one integration binary: the whole program, seen from outside.
//!
//! In: the built library and binary, what `support` starts around them, and what stands beside them
//! in the repository. Out: one verdict for each sentence about behaviour. Invariant: a test owns its
//! topics, ports and directories, so that all of them run side by side.
//!
//! What belongs where:
//!
//! * `ack_levels`: what each ack level promises, and what a bridge leaves on the disk.
//! * `catalogue`: laws that join the catalogue with samples and fixtures.
//! * `cli`: what the binary says and how it exits, help, health, the demo; `cli_kafka`: its commands
//!   that read Kafka; `cli_serve`: what `serve` makes of what it is started with.
//! * `deploy`: the container image, the compose file and the Prometheus configuration agree with
//!   each other, with the settings and with what is in the repository.
//! * `extra_rows`: rows that only an operator's file has.
//! * `fan_out`: what splitting one request into many records costs, and where it ends.
//! * `fuzz_targets`: the functions of `fuzz/`, run on stable for a while.
//! * `disk_kill`, `disk_faults`, `disk_full`, `disk_stall`, `disk_size`: the journal on disk under the
//!   whole program, load and a real Kafka: SIGKILL; Kafka's faults; no room; a disk that hangs; time
//!   and memory that a large journal takes. Some do more when `.ci/run` asks for it.
//! * `disk_oracle`: the judge of those is not easily deceived.
//! * `generated`: pages that the program writes about itself are fresh.
//! * `golden`: requests with the records and answers that the contract gives for them.
//! * `http_answers`: every situation of the table of answers that can occur, over HTTP, by each route.
//! * `http_faults`: the same for what only a broken engine, log or door can cause.
//! * `http_wire`: URL forms and the corners of HTTP/1.1: what senders and proxies really write.
//! * `journal`: the journal on disk over simulated storage: model, crash images, bent files, golden.
//! * `journal_tools`: what `imbridge journal` says of journals that are written byte by byte here;
//!   `journal_live`: the same beside a running bridge, and events that are put back.
//! * `mock_kafka`: the shipper over librdkafka's mock cluster: broker errors, outages, partitions.
//! * `readme`: what pages for people print and a program can check.
//! * `odd_bodies`: properties of records and answers for arbitrary and bent bodies.
//! * `admin_port`: who may see which page, and what metrics and logs say and keep to themselves.
//! * `graceful_stop`: signals, and what a stop promises.
//! * `reference`: the normaliser against the reference implementation, on bent requests.
//! * `restore`: from the event of a file back to the record that it was.
//! * `rules_cli`: what `imbridge rules` says of rule files, requests and recorded decisions.
//! * `rules_examples`: rule files with the answers, records, errors and tests that they give, over HTTP and
//!   through `imbridge rules`; `rules_pages`: the rule files that people copy from, and docs/rules.md.
//! * `rules_life`: a rule set that is loaded, reloaded, refused, watched and switched off.
//! * `support`: what tests start and read, with no test in it. `support::kafka` runs a real Apache
//!   Kafka.
//! * `real_kafka`: the promises of that support itself.
//! * `real_topics`, `real_faults`, `real_security`: the program in front of that Kafka, from HTTP to
//!   the records in their topics: what comes out; what outages, deletions and refusals do; SASL, TLS
//!   and librdkafka's properties.
//! * `tidy`: laws of the sources: floors, what is named where, how files look.

#![allow(
    clippy::disallowed_methods,
    reason = "tests wait in real time for real processes and read switches such as REQUIRE_KAFKA"
)]
#![allow(clippy::unwrap_used, reason = "helpers of tests may fail a test as tests do")]
#![allow(clippy::float_cmp, reason = "counters of metrics are whole numbers")]

mod ack_levels;
mod admin_port;
mod catalogue;
mod cli;
mod cli_kafka;
mod cli_serve;
mod deploy;
mod disk_faults;
mod disk_full;
mod disk_kill;
mod disk_oracle;
mod disk_size;
mod disk_stall;
mod extra_rows;
mod fan_out;
mod fuzz_targets;
mod generated;
mod golden;
mod graceful_stop;
mod http_answers;
mod http_faults;
mod http_wire;
mod journal;
mod journal_live;
mod journal_tools;
mod mock_kafka;
mod odd_bodies;
mod readme;
mod real_faults;
mod real_kafka;
mod real_security;
mod real_topics;
mod reference;
mod restore;
mod rules_cli;
mod rules_examples;
mod rules_life;
mod rules_pages;
mod support;
mod tidy;
