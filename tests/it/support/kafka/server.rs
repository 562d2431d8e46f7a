//! The words in which a broker is told what to be.
//!
//! In: [`Options`] and [`Ports`]. Out: the text of `server.properties`, Java's flags, and the
//! properties of a librdkafka client that this broker lets in. Invariant: paths are relative to
//! the broker's directory, which is its working directory.

use std::ffi::OsString;
use std::hash::{BuildHasher, RandomState};
use std::net::TcpListener;
use std::path::Path;

use anyhow::bail;

use super::{process, tls};

/// The user whom brokers with [`Security::Sasl`] know.
pub(crate) const SASL_USER: &str = "bridge";
/// That user's password, for PLAIN and SCRAM alike.
pub(crate) const SASL_PASSWORD: &str = "open sesame";

/// SCRAM mechanisms of [`Security::Sasl`], besides PLAIN.
const SCRAM: [&str; 2] = ["SCRAM-SHA-256", "SCRAM-SHA-512"];
/// Ports to try: below the ephemeral range, so that no client's own end sits on one.
const PORTS: std::ops::Range<u16> = 20_000..32_000;
/// Draws before giving up on a free port: enough even where half of the range is taken.
const PORT_TRIES: usize = 64;

/// One console appender. `AbstractConfig` prints the whole configuration at each start otherwise.
pub(super) const LOG4J2: &str = "\
status=error
appender.out.type=Console
appender.out.name=OUT
appender.out.layout.type=PatternLayout
appender.out.layout.pattern=%d{ISO8601} %p %c{1} %m%n
rootLogger.level=info
rootLogger.appenderRef.out.ref=OUT
logger.config.name=org.apache.kafka.common.config.AbstractConfig
logger.config.level=warn
";

/// What does not change between brokers.
///
/// Topics are never made by accident: with auto-creation a mistyped name would pass. The internal
/// topics want three brokers and 50 partitions by default. The two `broker.…` lines are for restarts
/// after SIGKILL: the controller refuses the broker until its old session ends, 9 s by default.
const SETTINGS: &str = "\
process.roles=broker,controller
node.id=1
controller.listener.names=CONTROLLER
inter.broker.listener.name=INTERNAL
log.dirs=data
num.partitions=6
default.replication.factor=1
min.insync.replicas=1
auto.create.topics.enable=false
offsets.topic.num.partitions=1
offsets.topic.replication.factor=1
transaction.state.log.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.num.partitions=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
broker.session.timeout.ms=1500
broker.heartbeat.interval.ms=300
num.network.threads=2
num.io.threads=4
log.cleaner.dedupe.buffer.size=4194304
";

/// Small and quick to start rather than fast for long.
const JAVA_FLAGS: [&str; 8] = [
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",
    "-XX:-UsePerfData",
    "-Xms256m",
    "-Xmx512m",
    "-XX:+ExitOnOutOfMemoryError",
    "-Djava.io.tmpdir=tmp",
    "-Dlog4j2.configurationFile=log4j2.properties",
];

/// Who is let in at the listener for clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Security {
    /// Everybody, unencrypted.
    Plain,
    /// [`SASL_USER`], by PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512, unencrypted.
    Sasl,
    /// Everybody, over TLS.
    Tls,
}

/// What a broker is to be.
#[derive(Debug, Clone)]
pub(crate) struct Options {
    pub(super) security: Security,
    properties: Vec<(String, String)>,
}

impl Options {
    /// A broker without security and with the settings of production.
    pub(crate) fn plain() -> Self {
        Self::with(Security::Plain)
    }

    /// A broker with `security`.
    pub(crate) fn with(security: Security) -> Self {
        Self { security, properties: Vec::new() }
    }

    /// Sets a line of `server.properties`; it wins over ours.
    pub(crate) fn property(mut self, name: &str, value: &str) -> Self {
        self.properties.push((name.into(), value.into()));
        self
    }

    /// The whole of `server.properties`.
    pub(super) fn server_properties(&self, ports: Ports) -> String {
        let Ports { client, controller, internal } = ports;
        let protocol = match self.security {
            Security::Plain => "PLAINTEXT",
            Security::Sasl => "SASL_PLAINTEXT",
            Security::Tls => "SSL",
        };
        let open = format!("CLIENT://127.0.0.1:{client},INTERNAL://127.0.0.1:{internal}");
        let mut text = format!(
            "{SETTINGS}\
             controller.quorum.voters=1@127.0.0.1:{controller}\n\
             listeners={open},CONTROLLER://127.0.0.1:{controller}\n\
             advertised.listeners={open}\n\
             listener.security.protocol.map=\
             CLIENT:{protocol},INTERNAL:PLAINTEXT,CONTROLLER:PLAINTEXT\n"
        );
        text += &self.security_properties();
        text.extend(self.properties.iter().map(|(name, value)| format!("{name}={value}\n")));
        text
    }

    fn security_properties(&self) -> String {
        match self.security {
            Security::Plain => String::new(),
            Security::Sasl => {
                let module = "org.apache.kafka.common.security";
                let mut text = format!(
                    "sasl.enabled.mechanisms=PLAIN,{}\n\
                     listener.name.client.plain.sasl.jaas.config={module}.plain.PlainLoginModule \
                     required user_{SASL_USER}=\"{SASL_PASSWORD}\";\n",
                    SCRAM.join(",")
                );
                text.extend(SCRAM.map(str::to_lowercase).map(|mechanism| {
                    format!(
                        "listener.name.client.{mechanism}.sasl.jaas.config=\
                         {module}.scram.ScramLoginModule required;\n"
                    )
                }));
                text
            }
            Security::Tls => format!(
                "ssl.keystore.type=PEM\nssl.keystore.location={}\n\
                 ssl.truststore.type=PEM\nssl.truststore.location={}\n",
                tls::KEY_STORE_FILE,
                tls::AUTHORITY_FILE
            ),
        }
    }

    /// Arguments of `kafka.tools.StorageTool`. SCRAM users are made here: before the first start
    /// there is no other way.
    pub(super) fn format_arguments(&self, cluster: &str) -> Vec<String> {
        let mut arguments: Vec<String> =
            ["format", "-t", cluster, "-c", "server.properties"].map(Into::into).into();
        if self.security == Security::Sasl {
            for mechanism in SCRAM {
                let user = format!("{mechanism}=[name={SASL_USER},password={SASL_PASSWORD}]");
                arguments.extend(["--add-scram".to_owned(), user]);
            }
        }
        arguments
    }

    /// Properties of a client that is let in (PLAIN where a mechanism is to be chosen), the address
    /// aside.
    pub(super) fn client_properties(&self, dir: &Path) -> Vec<(String, String)> {
        let authority = dir.join(tls::AUTHORITY_FILE);
        let properties: Vec<(&str, &str)> = match self.security {
            Security::Plain => vec![],
            Security::Sasl => vec![
                ("security.protocol", "sasl_plaintext"),
                ("sasl.mechanism", "PLAIN"),
                ("sasl.username", SASL_USER),
                ("sasl.password", SASL_PASSWORD),
            ],
            Security::Tls => vec![
                ("security.protocol", "ssl"),
                ("ssl.ca.location", authority.to_str().expect("cargo's paths are UTF-8")),
            ],
        };
        properties.into_iter().map(|(name, value)| (name.into(), value.into())).collect()
    }
}

/// Java's flags for a program in `dir`, with the mark that `process` knows it by.
pub(super) fn java_arguments(class_path: &str, dir: &Path) -> Vec<OsString> {
    let flags = JAVA_FLAGS.iter().map(OsString::from);
    let rest = [process::mark(dir), "-cp".into(), class_path.into()];
    flags.chain(rest).collect()
}

/// The ports of one broker, the same over all of its restarts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ports {
    /// For clients, with the security asked for.
    pub(super) client: u16,
    /// For the controller, plain.
    pub(super) controller: u16,
    /// For the broker's own use, plain.
    pub(super) internal: u16,
}

impl Ports {
    /// Three different ports that nobody listened on a moment ago. Whoever starts a broker has to
    /// be ready to find one taken all the same.
    ///
    /// # Errors
    /// When the draws are used up.
    pub(super) fn draw() -> anyhow::Result<Self> {
        let mut held = Vec::new();
        for _ in 0..PORT_TRIES {
            let offset = random() % u64::from(PORTS.end - PORTS.start);
            let port = PORTS.start + u16::try_from(offset).expect("below the range's length");
            // Held until all three are found, so that they differ.
            held.extend(TcpListener::bind(("127.0.0.1", port)).map(|held| (port, held)));
            if let [(client, _), (controller, _), (internal, _)] = held[..] {
                return Ok(Self { client, controller, internal });
            }
        }
        bail!("no three free ports in {PORT_TRIES} draws from {PORTS:?}")
    }
}

/// A new cluster id: 16 random bytes in URL-safe base64 without padding, 22 characters.
pub(super) fn cluster_id() -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    // Without the top bit the first digit cannot be the `-` that would look like an option.
    let bytes = (u128::from(random() >> 1) << 64) | u128::from(random());
    let digit = |bits: u128| char::from(DIGITS[usize::try_from(bits & 63).expect("below 64")]);
    let whole = (0..21).map(|place| digit(bytes >> (122 - 6 * place)));
    whole.chain([digit(bytes << 4)]).collect()
}

/// A random number from the seeds that the standard library gives its hash maps.
fn random() -> u64 {
    RandomState::new().hash_one(0)
}
