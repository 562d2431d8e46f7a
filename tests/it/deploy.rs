//! What brings imbridge up, checked without a container engine.
//!
//! In: `docker-compose.yml`, `deploy/Dockerfile`, `.dockerignore`, `deploy/prometheus`, and
//! `.env.example` for the names of the settings. Out: a failure that names each line that points
//! at nothing, is not pinned, or opens more than the callback port to the network. Invariant: the
//! files are only read, but for copies in a directory of the test's own.
//!
//! `.ci/run` also holds the compose file against the compose specification's schema.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};

use serde_json::{Map, Value};

/// The one port that senders on other machines must reach.
const CALLBACK_PORT: &str = "8080";

/// Settings of this family carry librdkafka's own names, which no list of ours holds.
const KAFKA_PROPERTY: &str = "IMBRIDGE_KAFKA_PROPERTY_";

#[test]
fn everything_the_compose_file_mounts_or_builds_from_exists() {
    assert_eq!(path_problems(&compose(), &root()), NONE);
}

#[test]
fn services_wait_only_for_services_that_can_become_healthy() {
    assert_eq!(dependency_problems(&compose()), NONE);
}

#[test]
fn every_image_is_pinned_to_a_full_version() {
    let mut problems = image_problems(&compose());
    for image in dockerfile().of("FROM") {
        problems.extend(image_problem("deploy/Dockerfile", first_word(&image)));
    }
    assert_eq!(problems, NONE);
}

#[test]
fn only_the_callback_port_is_open_to_other_machines() {
    assert_eq!(port_problems(&compose()), NONE);
    let open: Vec<String> = ports(&compose())
        .into_iter()
        .filter_map(|(_, port)| (!port.starts_with("127.0.0.1:")).then_some(port))
        .collect();
    assert_eq!(open, ["8080:8080"], "senders reach the bridge, and nothing else");
}

#[test]
fn compose_file_and_image_use_only_settings_that_exist() {
    let mut names: Vec<String> = services(&compose())
        .iter()
        .flat_map(|(_, service)| environment(service))
        .map(|(name, _)| name)
        .collect();
    names.extend(dockerfile().environment().into_iter().map(|(name, _)| name));
    assert_eq!(setting_problems(&names, &known_settings()), NONE);
}

#[test]
fn a_careless_compose_file_is_found_out() {
    let careless = yaml(
        r#"
services:
  bridge:
    image: imbridge:9.9.9
    build: { context: ., dockerfile: deploy/Nowhere }
    environment: { IMBRIDGE_LISTEN: "0.0.0.0:8080", IMBRIDGE_LISTEM: "1" }
    ports: ["9464:9464", "127.0.0.1:9092:9092", "8080:8080"]
    volumes: ["./deploy/none:/etc/none:ro", "lost:/var/lib/lost", "/etc:/host"]
    depends_on:
      nobody: { condition: service_healthy }
      broker: { condition: service_healthy }
  broker:
    image: apache/kafka:latest
  other:
    image: prom/prometheus
    ports: [9090]
"#,
    );
    assert_eq!(
        path_problems(&careless, &root()),
        [
            "bridge: mounts ./deploy/none, which is not there",
            "bridge: volume lost is not declared",
            "bridge: mounts /etc, which is outside the repository",
            "bridge: is built from deploy/Nowhere, which is not there",
        ]
    );
    assert_eq!(
        dependency_problems(&careless),
        [
            "bridge: waits for nobody, which is no service",
            "bridge: waits for the health of broker, which has no health check",
        ]
    );
    assert_eq!(
        image_problems(&careless),
        [
            format!("bridge: imbridge:9.9.9, but the package is {}", env!("CARGO_PKG_VERSION")),
            "broker: apache/kafka:latest is not pinned to a full version".to_owned(),
            "other: prom/prometheus is not pinned to a full version".to_owned(),
        ]
    );
    assert_eq!(
        port_problems(&careless),
        [
            "bridge: publishes 9464:9464 to other machines",
            "other: publishes 9090 to other machines",
        ]
    );
    let names = ["IMBRIDGE_LISTEM", "IMBRIDGE_LISTEN", "KAFKA_NODE_ID"].map(str::to_owned);
    let known = BTreeSet::from(["IMBRIDGE_LISTEN".to_owned()]);
    assert_eq!(setting_problems(&names, &known), ["IMBRIDGE_LISTEM is no setting"]);
}

#[test]
fn addresses_in_the_compose_file_agree_with_each_other() {
    let compose = compose();
    let kafka = service_environment(&compose, "kafka");
    let bridge = service_environment(&compose, "imbridge");
    let advertised = &kafka["KAFKA_ADVERTISED_LISTENERS"];
    let at = |listener: &str| {
        text(advertised)
            .split(',')
            .find_map(|each| each.strip_prefix(listener)?.strip_prefix("://").map(str::to_owned))
            .expect("the listener is advertised")
    };
    assert_eq!(text(&bridge["IMBRIDGE_KAFKA_BROKERS"]), at("INTERNAL"));
    // What is advertised to this machine is what is published on it, or `imbridge tail` would hang.
    let host_port = at("HOST").replace("localhost:", "");
    let published = format!("127.0.0.1:{host_port}:{host_port}");
    assert!(ports(&compose).contains(&("kafka".to_owned(), published)));

    let admin = text(&bridge["IMBRIDGE_ADMIN_LISTEN"]).replace("0.0.0.0", "imbridge");
    let prometheus = yaml(&read("deploy/prometheus/prometheus.yml"));
    let targets: Vec<&str> = array(&prometheus["scrape_configs"])
        .iter()
        .flat_map(|job| array(&job["static_configs"]))
        .flat_map(|group| array(&group["targets"]))
        .map(text)
        .collect();
    assert!(targets.contains(&admin.as_str()), "{admin} is not scraped, only {targets:?}");
    assert!(text(&bridge["IMBRIDGE_LISTEN"]).ends_with(&format!(":{CALLBACK_PORT}")));
}

#[test]
fn the_rule_file_of_the_compose_file_is_one_that_it_mounts() {
    let compose = compose();
    let rules = text(&service_environment(&compose, "imbridge")["IMBRIDGE_RULES"]).to_owned();
    let mounts = mounts(&services(&compose)["imbridge"]);
    let mounted = mounts.iter().find_map(|mount| {
        let (source, place) = mount.strip_suffix(":ro")?.split_once(':')?;
        let file = Path::new(&rules).strip_prefix(place).ok()?;
        Some(root().join(source).join(file))
    });
    let file = mounted.unwrap_or_else(|| panic!("{rules} is in none of {mounts:?}"));
    assert!(file.is_file(), "{} is not there", file.display());
}

#[test]
fn the_journal_of_the_image_lies_in_the_volume_that_its_user_owns() {
    let dockerfile = dockerfile();
    let volume = dockerfile.only("VOLUME");
    let journal = dockerfile
        .environment()
        .into_iter()
        .find_map(|(name, value)| (name == "IMBRIDGE_JOURNAL_DIR").then_some(value))
        .expect("the image says where the journal is");
    assert!(Path::new(&journal).starts_with(&volume), "{journal} is not below {volume}");
    let mounts = mounts(&services(&compose())["imbridge"]);
    assert!(mounts.iter().any(|mount| mount.ends_with(&format!(":{volume}"))), "{mounts:?}");

    let user = dockerfile.only("USER");
    let uid: u32 = user.split(':').next().and_then(|uid| uid.parse().ok()).expect("a fixed uid");
    assert_ne!(uid, 0, "the bridge does not run as root");
    let made = dockerfile.of("RUN").join("\n");
    assert!(made.contains(&format!("--uid {uid}")), "nobody has the uid {uid}");
    assert!(made.contains(&journal), "{journal} is not made before it becomes a volume");
}

#[test]
fn the_image_is_built_with_every_file_that_the_program_embeds() {
    let copied = copied();
    let mut sources = Vec::new();
    rust_files(&root().join("src"), &mut sources);
    assert!(!sources.is_empty());
    // Tests of a module embed what they like: they are not in the image.
    let tests = |file: &PathBuf| file.components().any(|part| part.as_os_str() == "tests");
    let sources = sources.iter().filter(|source| !tests(source));
    let embedded = sources.flat_map(|source| embedded_by(source));
    let missing: Vec<PathBuf> = embedded
        .filter(|file| !copied.iter().any(|folder| file.starts_with(root().join(folder))))
        .collect();
    assert!(missing.is_empty(), "deploy/Dockerfile copies only {copied:?}, not {missing:?}");
}

#[test]
fn the_compose_file_passes_every_build_argument_of_the_image() {
    // The image's build asked for BUILD_COMMIT and nobody passed it: every image was of `unknown`.
    let asked: BTreeSet<String> = dockerfile().of("ARG").into_iter().collect();
    assert!(asked.contains("BUILD_COMMIT"), "{asked:?}");
    let compose = compose();
    let arguments = &services(&compose)["imbridge"]["build"]["args"];
    let passed = arguments.as_object().expect("build arguments are written NAME: value");
    assert_eq!(passed.keys().cloned().collect::<BTreeSet<_>>(), asked);
    for (name, value) in passed {
        let from_outside = format!("${{{name}:-");
        assert!(text(value).starts_with(&from_outside), "{name} comes from outside: {value}");
    }
}

#[test]
fn what_the_image_copies_is_what_the_ignore_file_lets_through() {
    let let_through: BTreeSet<String> = read(".dockerignore")
        .lines()
        .filter_map(|line| line.strip_prefix('!').map(str::to_owned))
        .collect();
    assert_eq!(let_through, copied());
    for name in &let_through {
        assert!(root().join(name).exists(), "{name} is not there");
    }
}

#[test]
fn promtool_accepts_the_prometheus_configuration() {
    if !promtool_is_here() {
        return;
    }
    let folder = root().join("deploy/prometheus");
    assert!(promtool_check(&folder.join("prometheus.yml")).success());

    let scratch = tempfile::tempdir().expect("a temporary directory can be made");
    let broken = scratch.path().join("prometheus.yml");
    let text = read("deploy/prometheus/prometheus.yml").replace("targets:", "target:");
    fs::write(&broken, text).expect("the temporary directory can be written");
    assert!(!promtool_check(&broken).success(), "promtool lets everything pass");
}

/// What a check answers when all is well.
const NONE: [&str; 0] = [];

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn read(name: &str) -> String {
    fs::read_to_string(root().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn yaml(text: &str) -> Value {
    serde_saphyr::from_str(text).unwrap_or_else(|error| panic!("{error}"))
}

fn compose() -> Value {
    yaml(&read("docker-compose.yml"))
}

fn services(compose: &Value) -> &Map<String, Value> {
    compose["services"].as_object().expect("a compose file has services")
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("{value} is no text"))
}

/// The items of a list; a list that is not there has none.
fn array(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn first_word(line: &str) -> &str {
    line.split_whitespace().next().unwrap_or_default()
}

fn environment(service: &Value) -> Vec<(String, Value)> {
    match &service["environment"] {
        Value::Null => Vec::new(),
        Value::Object(map) => {
            map.iter().map(|(name, value)| (name.clone(), value.clone())).collect()
        }
        other => panic!("write the environment as a mapping, not {other}"),
    }
}

fn service_environment(compose: &Value, service: &str) -> Map<String, Value> {
    environment(&services(compose)[service]).into_iter().collect()
}

fn mounts(service: &Value) -> Vec<String> {
    array(&service["volumes"]).iter().map(|mount| text(mount).to_owned()).collect()
}

/// Service and port, each as it is written in the file.
fn ports(compose: &Value) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for (name, service) in services(compose) {
        for port in array(&service["ports"]) {
            let port = port.as_str().map_or_else(|| port.to_string(), str::to_owned);
            found.push((name.clone(), port));
        }
    }
    found
}

fn path_problems(compose: &Value, root: &Path) -> Vec<String> {
    let mut problems = Vec::new();
    for (name, service) in services(compose) {
        for mount in mounts(service) {
            let source = mount.split(':').next().unwrap_or_default();
            if source.starts_with('/') || source.contains("..") {
                problems.push(format!("{name}: mounts {source}, which is outside the repository"));
            } else if source.starts_with('.') {
                if !root.join(source).exists() {
                    problems.push(format!("{name}: mounts {source}, which is not there"));
                }
            } else if compose["volumes"].get(source).is_none() {
                problems.push(format!("{name}: volume {source} is not declared"));
            }
        }
        if let Some(file) = service["build"].get("dockerfile").map(text) {
            let context = text(&service["build"]["context"]);
            if !root.join(context).join(file).is_file() {
                problems.push(format!("{name}: is built from {file}, which is not there"));
            }
        }
    }
    problems
}

fn dependency_problems(compose: &Value) -> Vec<String> {
    let mut problems = Vec::new();
    for (name, service) in services(compose) {
        for (other, how) in service["depends_on"].as_object().into_iter().flatten() {
            match services(compose).get(other) {
                None => problems.push(format!("{name}: waits for {other}, which is no service")),
                Some(found)
                    if how["condition"] == "service_healthy"
                        && found["healthcheck"]["test"].is_null() =>
                {
                    problems.push(format!(
                        "{name}: waits for the health of {other}, which has no health check"
                    ));
                }
                Some(_) => {}
            }
        }
    }
    problems
}

fn image_problems(compose: &Value) -> Vec<String> {
    services(compose)
        .iter()
        .filter_map(|(name, service)| image_problem(name, text(&service["image"])))
        .collect()
}

/// Our own image carries the package's version. Any other has a tag with three numbers, or with the day it
/// was made, as Debian's have.
fn image_problem(place: &str, image: &str) -> Option<String> {
    let (name, tag) = image.split_once(':').unwrap_or((image, ""));
    if name == env!("CARGO_PKG_NAME") {
        let version = env!("CARGO_PKG_VERSION");
        return (tag != version).then(|| format!("{place}: {image}, but the package is {version}"));
    }
    let is_number = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    let pinned = tag.split('-').any(|part| {
        let version = part.trim_start_matches('v');
        let numbers = version.split('.').filter(|number| is_number(number)).count();
        numbers == 3 || (version.len() == 8 && is_number(version))
    });
    (!pinned).then(|| format!("{place}: {image} is not pinned to a full version"))
}

fn port_problems(compose: &Value) -> Vec<String> {
    ports(compose)
        .into_iter()
        .filter(|(_, port)| {
            let callbacks = *port == format!("{CALLBACK_PORT}:{CALLBACK_PORT}");
            !port.starts_with("127.0.0.1:") && !callbacks
        })
        .map(|(name, port)| format!("{name}: publishes {port} to other machines"))
        .collect()
}

/// The names that `.env.example` offers, one `# IMBRIDGE_NAME=default` a line. The page is generated from
/// the table of settings that the program reads.
fn known_settings() -> BTreeSet<String> {
    read(".env.example")
        .lines()
        .filter_map(|line| line.trim_start_matches(['#', ' ']).split_once('='))
        .map(|(name, _)| name.trim().to_owned())
        .filter(|name| name.starts_with("IMBRIDGE_") && !name.contains(char::is_whitespace))
        .collect()
}

fn setting_problems(names: &[String], known: &BTreeSet<String>) -> Vec<String> {
    names
        .iter()
        .filter(|name| name.starts_with("IMBRIDGE_") && !name.starts_with(KAFKA_PROPERTY))
        .filter(|name| !known.contains(name.as_str()))
        .map(|name| format!("{name} is no setting"))
        .collect()
}

/// The instructions of a Dockerfile, each on one line.
struct Dockerfile(Vec<(String, String)>);

fn dockerfile() -> Dockerfile {
    let text = read("deploy/Dockerfile");
    let uncommented: Vec<&str> =
        text.lines().filter(|line| !line.trim_start().starts_with('#')).collect();
    let instructions = uncommented
        .join("\n")
        .replace("\\\n", " ")
        .lines()
        .filter_map(|line| line.split_once(' '))
        .map(|(word, rest)| (word.to_owned(), rest.trim().to_owned()))
        .collect();
    Dockerfile(instructions)
}

impl Dockerfile {
    fn of(&self, instruction: &str) -> Vec<String> {
        let wanted = self.0.iter().filter(|(word, _)| word == instruction);
        wanted.map(|(_, rest)| rest.clone()).collect()
    }

    fn only(&self, instruction: &str) -> String {
        let found = self.of(instruction);
        assert_eq!(found.len(), 1, "{instruction}: {found:?}");
        found[0].clone()
    }

    fn environment(&self) -> Vec<(String, String)> {
        let mut found = Vec::new();
        for line in self.of("ENV") {
            for pair in line.split_whitespace() {
                let (name, value) = pair.split_once('=').expect("ENV is written NAME=value");
                found.push((name.to_owned(), value.to_owned()));
            }
        }
        found
    }
}

/// What the image's build takes from the repository.
fn copied() -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for line in dockerfile().of("COPY") {
        let words: Vec<&str> = line.split_whitespace().collect();
        if !words[0].starts_with("--from=") {
            found.extend(words[..words.len() - 1].iter().map(|word| (*word).to_owned()));
        }
    }
    found
}

fn rust_files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("the sources can be listed") {
        let path = entry.expect("the sources can be listed").path();
        // What only tests are compiled from is not built into the image.
        if path.is_dir() && path.ends_with("tests") {
            continue;
        }
        if path.is_dir() {
            // What only tests are compiled from embeds nothing that the image has.
            if !path.ends_with("tests") {
                rust_files(&path, found);
            }
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// Where each `include_str!("…")` and `include_bytes!("…")` of a source file points. A path built by
/// `concat!` from the package's folder is taken relative to that folder.
fn embedded_by(source: &Path) -> Vec<PathBuf> {
    let text = fs::read_to_string(source).expect("a source file is text");
    let mut found = Vec::new();
    for start in ["include_str!(", "include_bytes!("] {
        for (at, _) in text.match_indices(start) {
            let inside = &text[at + start.len()..];
            let inside = inside.split_once(");").map_or(inside, |(inside, _)| inside);
            let of_package = inside.contains("CARGO_MANIFEST_DIR");
            let literals = inside.split('"').skip(1).step_by(2);
            let Some(literal) = literals.into_iter().find(|part| part.contains('.')) else {
                continue;
            };
            let folder = source.parent().expect("a source file lies in a folder");
            let folder = if of_package { root() } else { folder.to_owned() };
            found.push(straight(&folder.join(literal.trim_start_matches('/'))));
        }
    }
    found
}

/// The path without `..`, by its names alone.
fn straight(path: &Path) -> PathBuf {
    let mut straight = PathBuf::new();
    for part in path.components() {
        if part.as_os_str() == ".." {
            straight.pop();
        } else {
            straight.push(part);
        }
    }
    straight
}

fn promtool_check(file: &Path) -> ExitStatus {
    let output = Command::new("promtool").args(["check", "config"]).arg(file).output();
    output.expect("promtool is here").status
}

/// Without promtool the test says so and ends, unless `REQUIRE_PROMTOOL=1`.
fn promtool_is_here() -> bool {
    let here = Command::new("promtool").arg("--version").output().is_ok();
    let required = std::env::var_os("REQUIRE_PROMTOOL").is_some_and(|value| value == "1");
    assert!(here || !required, "REQUIRE_PROMTOOL=1, but promtool cannot be started");
    if !here {
        eprintln!("skipped: promtool is not installed (Debian's package prometheus has it)");
    }
    here
}
