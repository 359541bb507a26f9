//! What the benchmarks of kraud-compose share: the files, and one load of them.

use std::fmt::Write as _;

use kraud_compose::{Options, Profile, Project, Sources};

/// A file shaped like real ones: per ten services one static address, one alias list, an anchor
/// for what repeats, variables with defaults, and the bulk in parts that are not about networks.
#[must_use]
pub fn real(services: usize) -> String {
    let mut out = String::from(
        "name: bench\nx-common: &common\n  restart: unless-stopped\n  logging:\n    driver: json-file\n    options: {max-size: 10m, max-file: '3'}\nservices:\n",
    );
    let networks = services.div_ceil(50).max(2);
    for i in 0..services {
        let n = i % networks;
        let _ = write!(
            out,
            "  service{i}:\n    <<: *common\n    image: registry.example/group/app{i}:${{TAG:-1.2.3}}\n    container_name: bench-{i}\n    environment:\n      DATABASE_URL: postgres://app:${{DB_PASSWORD:-secret}}@db:5432/app{i}\n      LOG_LEVEL: info\n      FEATURE_{i}: 'true'\n    volumes:\n      - data{i}:/var/lib/app\n      - ./config/app{i}.toml:/etc/app/config.toml:ro\n    healthcheck:\n      test: [CMD, curl, -f, 'http://localhost:8080/health']\n      interval: 30s\n      timeout: 5s\n      retries: 3\n    labels:\n      - traefik.enable=true\n      - traefik.http.routers.app{i}.rule=Host(`app{i}.example.org`)\n"
        );
        if i % 2 == 0 {
            let _ = writeln!(out, "    ports:\n      - '{}:8080'", 10_000 + i);
        }
        if i > 0 {
            let _ = writeln!(out, "    depends_on: [service{}]", i / 2);
        }
        let host = 10 + i / networks;
        let _ = write!(
            out,
            "    networks:\n      net{n}:\n        ipv4_address: 10.{n}.{}.{}\n        aliases: [app{i}.internal]\n",
            host / 250,
            host % 250 + 1
        );
    }
    out.push_str("networks:\n");
    for n in 0..networks {
        let _ = write!(
            out,
            "  net{n}:\n    driver: bridge\n    ipam:\n      config:\n        - subnet: 10.{n}.0.0/16\n          gateway: 10.{n}.255.254\n"
        );
    }
    out.push_str("volumes:\n");
    for i in 0..services {
        let _ = writeln!(out, "  data{i}: {{}}");
    }
    out
}

/// The same with an address in the wrong subnet, and a network that does not exist, per service.
#[must_use]
pub fn wrong(services: usize) -> String {
    real(services)
        .replace("ipv4_address: 10.", "ipv4_address: 11.")
        .replace("    labels:\n", "    lables:\n")
}

/// The same with, at its very end, what only the full YAML parser reads: the worst that a file can
/// do to a reader that tries the quick one first.
#[must_use]
pub fn rare(services: usize) -> String {
    real(services) + "x-note: >\n  folded\n  text\n"
}

/// One load with all checks: the project, and how many findings there are.
///
/// # Panics
///
/// When the file is not YAML.
#[must_use]
pub fn load(text: &str) -> (Project, usize) {
    let options = Options::new().profile(Profile::Compat);
    let sources = Sources::from_text("compose.yaml", text);
    let (project, diagnostics) = Project::load(sources, &options);
    (project.expect("the file is YAML"), diagnostics.len())
}

/// The events of granit-parser, counted: what reading a file as YAML takes without a tree.
#[must_use]
pub fn events(text: &str) -> usize {
    granit_parser::Parser::new_from_str(text)
        .filter(Result::is_ok)
        .count()
}
