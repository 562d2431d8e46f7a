//! Gets Kafka's jars through Maven and keeps their class path.
//!
//! In: the pom below. Out: a class path for `java -cp`. Invariants: a class path that is handed
//! out names only jars that exist; Maven is not asked while the last answer to the same pom still
//! holds, so that test runs work offline; test processes side by side ask it once.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use anyhow::{Context, bail, ensure};
use sha2::{Digest, Sha256};

use super::cache_dir;

/// Kafka itself, and the binding without which its log stays empty.
///
/// `kafka_2.13` brings log4j 2.25.4 and SLF4J 1.7, but nothing between the two.
const POM: &str = r#"<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>imbridge.test</groupId>
  <artifactId>kafka</artifactId>
  <version>1</version>
  <packaging>pom</packaging>
  <dependencies>
    <dependency>
      <groupId>org.apache.kafka</groupId>
      <artifactId>kafka_2.13</artifactId>
      <version>4.3.1</version>
    </dependency>
    <dependency>
      <groupId>org.apache.logging.log4j</groupId>
      <artifactId>log4j-slf4j-impl</artifactId>
      <version>2.25.4</version>
    </dependency>
  </dependencies>
  <build>
    <plugins>
      <plugin>
        <groupId>org.apache.maven.plugins</groupId>
        <artifactId>maven-dependency-plugin</artifactId>
        <version>3.11.0</version>
        <executions>
          <execution>
            <phase>validate</phase>
            <goals><goal>build-classpath</goal></goals>
            <configuration><outputFile>${project.basedir}/class-path</outputFile></configuration>
          </execution>
        </executions>
      </plugin>
    </plugins>
  </build>
</project>
"#;

/// The class path of the broker; asks Maven when it has to.
///
/// # Errors
/// When Maven fails (its words are in the error) or the cache cannot be written.
pub(super) fn class_path() -> anyhow::Result<&'static str> {
    static CLASS_PATH: OnceLock<String> = OnceLock::new();
    if let Some(known) = CLASS_PATH.get() {
        return Ok(known);
    }
    let found = match kept() {
        Some(kept) => kept,
        None => ask_maven_once()?,
    };
    Ok(CLASS_PATH.get_or_init(|| found))
}

/// Whether Maven can be done without.
pub(super) fn cached() -> bool {
    kept().is_some()
}

/// The class path that Maven gave for this very pom, if all of its jars are still there.
fn kept() -> Option<String> {
    let class_path = fs::read_to_string(kept_file()).ok()?;
    std::env::split_paths(&class_path).all(|jar| jar.is_file()).then_some(class_path)
}

fn kept_file() -> PathBuf {
    let digest = Sha256::digest(POM);
    let key = u64::from_be_bytes(*digest.first_chunk().expect("SHA-256 has 32 bytes"));
    cache_dir().join(format!("class-path-{key:016x}"))
}

/// Asks Maven unless another process did so while this one waited for the lock.
fn ask_maven_once() -> anyhow::Result<String> {
    let cache = cache_dir();
    fs::create_dir_all(&cache).with_context(|| format!("cannot make {}", cache.display()))?;
    let lock = File::create(cache.join("jars.lock")).context("cannot make the lock file")?;
    lock.lock().context("cannot lock the jar cache")?;
    if let Some(class_path) = kept() {
        return Ok(class_path);
    }
    let project = tempfile::Builder::new().prefix("maven-").tempdir_in(&cache)?;
    let made = ask_maven(project.path())?;
    // Renamed, not copied: a process that reads without the lock sees all of it or nothing.
    fs::rename(&made, kept_file()).context("cannot keep the class path")?;
    kept().context("Maven named jars that do not exist")
}

/// Returns the file that Maven wrote the class path to.
fn ask_maven(project: &Path) -> anyhow::Result<PathBuf> {
    fs::write(project.join("pom.xml"), POM)?;
    let output = Command::new("mvn")
        .args(["-B", "-q", "-ntp", "validate"])
        .current_dir(project)
        .stdin(Stdio::null())
        .output()
        .context("cannot run mvn")?;
    if !output.status.success() {
        let (said, warned) = (output.stdout.as_slice(), output.stderr.as_slice());
        bail!("mvn: {}\n{}", String::from_utf8_lossy(said), String::from_utf8_lossy(warned));
    }
    let made = project.join("class-path");
    ensure!(made.is_file(), "mvn ended well but wrote no class path");
    Ok(made)
}
