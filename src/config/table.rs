//! The one table of all settings: name, default, form, meaning.
//!
//! In: nothing. Out: [`SETTINGS`], from which the parsers take their defaults and `docs` writes
//! `docs/configuration.md` and `.env.example`. Invariant: a variable is known exactly when it has a
//! row here, and its default is the text that is parsed when it is not set.

/// What all our variables begin with.
pub const PREFIX: &str = "IMBRIDGE_";

/// What the variables begin with that set one librdkafka property each.
pub const KAFKA_PROPERTY_PREFIX: &str = "IMBRIDGE_KAFKA_PROPERTY_";

/// One setting.
#[derive(Debug, Clone, Copy)]
pub struct Setting {
    /// Name of the environment variable; only `IMBRIDGE_KAFKA_PROPERTY_*` stands for many.
    pub name: &'static str,
    /// What counts when it is not set.
    pub default: DefaultValue,
    /// Form and unit of the value, for people.
    pub form: &'static str,
    /// What it does, in one or two sentences.
    pub meaning: &'static str,
    /// The value must never be shown.
    pub secret: bool,
    /// Where it stands in the documentation.
    pub group: Group,
    /// Whether this version can do what it asks for.
    pub support: Support,
}

/// What counts when a setting is not set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DefaultValue {
    /// This text, parsed like a value that was set.
    Text(&'static str),
    /// Something found at start, described in words.
    Words(&'static str),
    /// Nothing: the feature is off.
    Off,
    /// Nothing, and `serve` does not start without a value; such as this one.
    Required(&'static str),
}

/// Whether this version can do what a setting asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Support {
    /// It works.
    Full,
    /// Accepted and checked; without effect at acknowledgement level `memory`.
    NotAtMemory,
    /// Refused when set, so that nobody relies on what is not there.
    NotYet,
}

/// The chapters of the documentation, in its order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Group {
    /// The callback port.
    Http,
    /// The admin port.
    Admin,
    /// Logs.
    Log,
    /// The connection to Kafka.
    Kafka,
    /// Topics and the form of events.
    Events,
    /// What an answer promises, and the journal.
    Journal,
    /// `OpenIM`.
    OpenIm,
    /// Tencent Cloud Chat.
    Tencent,
    /// Who may send callbacks.
    Senders,
    /// Decisions and data.
    Policy,
}

impl Group {
    /// All chapters in order.
    pub const ALL: [Self; 10] = [
        Self::Http,
        Self::Admin,
        Self::Log,
        Self::Kafka,
        Self::Events,
        Self::Journal,
        Self::OpenIm,
        Self::Tencent,
        Self::Senders,
        Self::Policy,
    ];

    /// The chapter's heading.
    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            Self::Http => "Callback port",
            Self::Admin => "Admin port",
            Self::Log => "Logs",
            Self::Kafka => "Connection to Kafka",
            Self::Events => "Topics and events",
            Self::Journal => "Acknowledgement and journal",
            Self::OpenIm => "OpenIM",
            Self::Tencent => "Tencent Cloud Chat",
            Self::Senders => "Who may send",
            Self::Policy => "Decisions and data",
        }
    }
}

/// The row of a setting.
#[must_use]
pub fn find(name: &str) -> Option<&'static Setting> {
    SETTINGS.iter().find(|setting| setting.name == name)
}

/// A row that works and is no secret; the exceptions are made with the functions below.
const fn row(
    group: Group,
    name: &'static str,
    default: DefaultValue,
    form: &'static str,
    meaning: &'static str,
) -> Setting {
    Setting { name, default, form, meaning, secret: false, group, support: Support::Full }
}

const fn secret(setting: Setting) -> Setting {
    Setting { secret: true, ..setting }
}

const fn not_yet(setting: Setting) -> Setting {
    Setting { support: Support::NotYet, ..setting }
}

const fn not_at_memory(setting: Setting) -> Setting {
    Setting { support: Support::NotAtMemory, ..setting }
}

use DefaultValue::{Off, Required, Text, Words};

/// Every setting, by chapter.
pub const SETTINGS: &[Setting] = &[
    row(
        Group::Http,
        "IMBRIDGE_LISTEN",
        Text("0.0.0.0:8080"),
        "address and port",
        "Where callbacks arrive; port 0 takes a free one. Ignored, with a log line, when \
         exactly one socket is passed in (`LISTEN_FDS=1`).",
    ),
    row(
        Group::Http,
        "IMBRIDGE_WORKERS",
        Words("number of cores"),
        "number, 1 to 1024",
        "Threads that serve callbacks.",
    ),
    row(
        Group::Http,
        "IMBRIDGE_BODY_BYTES_MAX",
        Text("16777216"),
        "bytes",
        "Largest body of a callback. A larger one is refused.",
    ),
    row(
        Group::Http,
        "IMBRIDGE_BODY_SECONDS_MAX",
        Text("10"),
        "seconds",
        "Time that a sender has for the TLS handshake, for the head and for the body of a \
         request, each.",
    ),
    row(
        Group::Http,
        "IMBRIDGE_KEEP_ALIVE_SECONDS",
        Text("7200"),
        "seconds",
        "How long an idle connection is kept open. `0` closes every connection after its first \
         answer.",
    ),
    row(
        Group::Http,
        "IMBRIDGE_INFLIGHT_BYTES_MAX",
        Text("268435456"),
        "bytes",
        "Bodies held in memory at the same time; above it callbacks are answered as overloaded. \
         Another 16 MiB are kept for bodies up to 64 KiB, so that those are still read.",
    ),
    row(
        Group::Http,
        "IMBRIDGE_DRAIN_SECONDS",
        Text("10"),
        "seconds",
        "Longest time that a graceful stop takes. Three quarters of it at most, less when senders \
         fall silent, everything is served as ever; then requests in progress have until \
         fifteen sixteenths. At level `memory` the stop waits all this time for Kafka to confirm \
         what is left, then logs and counts what is lost; at the other levels what is left is on \
         the disk, and the next start goes on with it; a disk that hangs makes the stop half a second \
         longer at most.",
    ),
    row(
        Group::Admin,
        "IMBRIDGE_ADMIN_LISTEN",
        Text("127.0.0.1:9464"),
        "address and port",
        "Where `/metrics`, `/live`, `/ready`, `/status` and `/rules` are served; port 0 takes a free one.",
    ),
    secret(row(
        Group::Admin,
        "IMBRIDGE_ADMIN_TOKEN",
        Off,
        "text",
        "Bearer token that everything on the admin port asks for, except `/metrics`, `/live` \
         and `/ready`. Without it those pages answer on a loopback address only.",
    )),
    row(
        Group::Admin,
        "IMBRIDGE_ADMIN_TOKEN_FILE",
        Off,
        "path",
        "File whose only line is the admin token, instead of `IMBRIDGE_ADMIN_TOKEN`.",
    ),
    row(
        Group::Log,
        "IMBRIDGE_LOG",
        Text("info"),
        "level, or list of `target=level`",
        "Which log lines are written to standard error, for example `warn` or \
         `info,imbridge::kafka=debug`. At `info` the HTTP library `actix_server` tells warnings \
         only, unless it is named.",
    ),
    row(
        Group::Log,
        "IMBRIDGE_LOG_FORMAT",
        Text("text"),
        "`text` or `json`",
        "Log lines for people, or one JSON object a line.",
    ),
    row(
        Group::Kafka,
        "IMBRIDGE_KAFKA_BROKERS",
        Required("localhost:9092"),
        "list of `host:port`",
        "Bootstrap servers of the Kafka cluster.",
    ),
    row(
        Group::Kafka,
        "IMBRIDGE_KAFKA_PROPERTIES",
        Off,
        "path",
        "File of librdkafka properties, one `key=value` a line; lines that begin with `#` are \
         comments. The place for passwords.",
    ),
    secret(row(
        Group::Kafka,
        "IMBRIDGE_KAFKA_PROPERTY_*",
        Off,
        "text",
        "One librdkafka property each: `IMBRIDGE_KAFKA_PROPERTY_SECURITY_PROTOCOL` sets \
         `security.protocol`. Wins over the file.",
    )),
    row(
        Group::Events,
        "IMBRIDGE_TOPIC_PREFIX",
        Text("im."),
        "letters, digits, `.`, `_`, `-`; at most 150",
        "First part of the name of every topic.",
    ),
    row(
        Group::Events,
        "IMBRIDGE_TOPIC_BY",
        Text("kind"),
        "`kind`, `command` or `one`",
        "`kind`: one topic per normalised command, shared by both providers. `command`: one per \
         command of a provider. `one`: everything goes to `im.events`.",
    ),
    row(
        Group::Events,
        "IMBRIDGE_TOPICS_CREATE",
        Text("true"),
        "`true` or `false`",
        "Whether missing topics are created. A failure is a warning and never stops the service.",
    ),
    row(
        Group::Events,
        "IMBRIDGE_TOPIC_PARTITIONS",
        Text("-1"),
        "number; `-1`: what the broker is set to",
        "Partitions of a topic that the bridge creates.",
    ),
    row(
        Group::Events,
        "IMBRIDGE_TOPIC_REPLICATION",
        Text("-1"),
        "number; `-1`: what the broker is set to",
        "Replicas of a topic that the bridge creates.",
    ),
    row(
        Group::Events,
        "IMBRIDGE_EVENT_FORMAT",
        Text("structured"),
        "`structured` or `binary`",
        "Form of a CloudEvent: the whole event in the record's value, or its attributes in \
         headers that begin with `ce_`.",
    ),
    row(
        Group::Events,
        "IMBRIDGE_EVENT_BYTES_MAX",
        Text("1000000"),
        "bytes",
        "Largest record: value, key and headers together. A larger event goes out without \
         `raw`, with its size and digest instead.",
    ),
    row(
        Group::Journal,
        "IMBRIDGE_ACK",
        Text("os"),
        "`memory`, `os`, `fsync` or `kafka`",
        "What an answer of 200 promises. `memory`: the event is in memory and is lost if the \
         process ends before Kafka has it. `os`: it is with the kernel and outlives the \
         process. `fsync`: it is on the disk. `kafka`: Kafka has confirmed it.",
    ),
    row(
        Group::Journal,
        "IMBRIDGE_HOLD_MILLISECONDS",
        Text("1000"),
        "milliseconds",
        "Longest time that an after-callback waits in all, for room in the journal, a stalled \
         write or, at level `kafka`, the confirmation, before it is answered with 503. When the \
         journal was full or stalled for so long, the answer comes at once. Tencent Cloud Chat \
         waits 2 s, so there is a warning above 1500. Except at level `memory` every answer waits \
         for a write: below 10 counts as 10, with a warning.",
    ),
    row(
        Group::Journal,
        "IMBRIDGE_JOURNAL_BYTES_MAX",
        Text("8589934592"),
        "bytes",
        "Budget for records that Kafka has not confirmed yet; at level `memory` 268435456 \
         (256 MiB) unless it is set. From 50 % on there is a warning, \
         from 80 % on an error in the log and `degraded`; when it is used up, after-callbacks \
         wait and are then answered with 503. The start logs what is really there to use.",
    ),
    not_at_memory(row(
        Group::Journal,
        "IMBRIDGE_JOURNAL_DIR",
        Text("journal"),
        "path",
        "Directory of the journal, for it alone and locked by it; made if it is missing.",
    )),
    not_at_memory(row(
        Group::Journal,
        "IMBRIDGE_JOURNAL_FREE_BYTES_MIN",
        Text("1073741824"),
        "bytes",
        "Space on the disk that the journal leaves free; `0`: none.",
    )),
    not_at_memory(row(
        Group::Journal,
        "IMBRIDGE_JOURNAL_SEGMENT_BYTES",
        Text("67108864"),
        "bytes",
        "Size of one file of the journal; at most a quarter of the budget is used.",
    )),
    row(
        Group::OpenIm,
        "IMBRIDGE_OPENIM_PATH",
        Text("/openim"),
        "path of a URL",
        "Base path for the callbacks of OpenIM.",
    ),
    row(
        Group::OpenIm,
        "IMBRIDGE_OPENIM_DEPLOYMENT",
        Text("default"),
        "segment of a URL path, at most 128 characters",
        "Name of the OpenIM deployment; the `source` of its events is `/openim/<name>`.",
    ),
    not_yet(secret(row(
        Group::OpenIm,
        "IMBRIDGE_OPENIM_USERS",
        Off,
        "list of `user:password`",
        "Who may send callbacks with Basic authentication.",
    ))),
    not_yet(row(
        Group::OpenIm,
        "IMBRIDGE_OPENIM_USERS_FILE",
        Off,
        "path",
        "File with one `user:password` a line, instead of `IMBRIDGE_OPENIM_USERS`.",
    )),
    row(
        Group::Tencent,
        "IMBRIDGE_TENCENT_PATH",
        Text("/tencent"),
        "path of a URL",
        "Base path for the callbacks of Tencent Cloud Chat. The two base paths must not be \
         equal, nor one below the other.",
    ),
    not_yet(row(
        Group::Tencent,
        "IMBRIDGE_TENCENT_APP_IDS",
        Off,
        "list of numbers",
        "Applications (`SdkAppid`) whose callbacks are accepted; any if not set.",
    )),
    not_yet(secret(row(
        Group::Tencent,
        "IMBRIDGE_TENCENT_TOKENS",
        Off,
        "list",
        "Tokens that the signature of a callback is checked with; two while one replaces the \
         other.",
    ))),
    not_yet(row(
        Group::Tencent,
        "IMBRIDGE_TENCENT_TOKENS_FILE",
        Off,
        "path",
        "File with one token a line, instead of `IMBRIDGE_TENCENT_TOKENS`.",
    )),
    row(
        Group::Tencent,
        "IMBRIDGE_TENCENT_SIGN_AGE_SECONDS_MAX",
        Text("60"),
        "seconds",
        "How far the time in a signature may lie from now, back or ahead. Without effect while \
         no token is set.",
    ),
    not_yet(row(
        Group::Senders,
        "IMBRIDGE_ALLOW_FROM",
        Off,
        "list of CIDR blocks",
        "Addresses that may send callbacks, of both providers; any if not set.",
    )),
    not_yet(row(
        Group::Senders,
        "IMBRIDGE_TRUSTED_PROXIES",
        Off,
        "list of CIDR blocks",
        "Proxies whose `X-Forwarded-For` is believed.",
    )),
    not_yet(row(
        Group::Senders,
        "IMBRIDGE_TLS_CERTIFICATE",
        Off,
        "path",
        "PEM file with the certificate chain of the callback port.",
    )),
    not_yet(row(
        Group::Senders,
        "IMBRIDGE_TLS_KEY",
        Off,
        "path",
        "PEM file with the key of that certificate.",
    )),
    not_yet(row(
        Group::Senders,
        "IMBRIDGE_TLS_CLIENT_CA",
        Off,
        "path",
        "PEM file with the authority that must have signed the certificates of senders.",
    )),
    row(
        Group::Policy,
        "IMBRIDGE_RULES",
        Off,
        "path",
        "Rule file that decides before-callbacks; read again when it or one of its list files \
         changes, on SIGHUP and on `POST /rules/reload`. Without it every one is allowed.",
    ),
    row(
        Group::Policy,
        "IMBRIDGE_ON_FAULT",
        Text("allow"),
        "`allow` or `deny`",
        "Answer to a before-callback that cannot be decided. Where the rules fail, `on_fault` of \
         the rule file comes first.",
    ),
    row(
        Group::Policy,
        "IMBRIDGE_CATALOGUE",
        Off,
        "path",
        "JSON file with further commands and kinds, or with others in place of the built-in \
         ones.",
    ),
    not_yet(row(
        Group::Policy,
        "IMBRIDGE_PRIVACY",
        Off,
        "path",
        "YAML file that says which fields are dropped or hashed before an event leaves the \
         bridge.",
    )),
    row(
        Group::Policy,
        "IMBRIDGE_CLIENT_IP",
        Text("keep"),
        "`keep`; not yet `drop`",
        "Whether events carry the address of the chat user's device (`client_ip`).",
    ),
];
