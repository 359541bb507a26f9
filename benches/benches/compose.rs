//! Benchmarks of kraud-compose: the whole load, validation included.
//!
//! Names are `compose/<operation>/<case>/<implementation>`; each case asserts what it loaded.

use std::fmt::Write as _;
use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use kraud_compose::{Options, Profile, Project, Sources};

/// A file shaped like real ones: per ten services one static address, one alias list, an anchor
/// for what repeats, variables with defaults, and the bulk in parts that are not about networks.
fn real(services: usize) -> String {
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
fn wrong(services: usize) -> String {
    real(services)
        .replace("ipv4_address: 10.", "ipv4_address: 11.")
        .replace("    labels:\n", "    lables:\n")
}

fn load(text: &str) -> (Project, usize) {
    let options = Options::new().profile(Profile::Compat);
    let sources = Sources::from_text("compose.yaml", text);
    let (project, diagnostics) = Project::load(sources, &options);
    (project.expect("the file is YAML"), diagnostics.len())
}

fn events(text: &str) -> usize {
    granit_parser::Parser::new_from_str(text)
        .filter(Result::is_ok)
        .count()
}

/// The rivals of the registry, each by its fullest pipeline; `None` where it refuses the file.
#[cfg(feature = "rivals")]
mod rivals {
    use compose_lens::interpolation::MapEnvironment;
    use compose_lens::loader::{DocumentInput, DocumentOrigin, LoadedProject};
    use compose_lens::merge::merge_project;
    use compose_lens::project::build_project_view;
    use compose_lens::source::SourceId;

    pub(crate) type Rival = (&'static str, fn(&str) -> Option<usize>);

    pub(crate) const ALL: [Rival; 4] = [
        ("compose-lens", lens),
        ("compose_spec", spec),
        ("docker-compose-types", types),
        ("podup", podup),
    ];

    fn lens(text: &str) -> Option<usize> {
        let origin = DocumentOrigin::new("compose.yaml", ".");
        let input = DocumentInput::new(SourceId::new(1), origin, text);
        let loaded = LoadedProject::load([input]).ok()?;
        let interpolated = loaded.interpolate(&MapEnvironment::new());
        let merged = merge_project(&loaded, Some(&interpolated));
        let view = build_project_view(merged.project()?, None);
        Some(view.view()?.services().len())
    }

    // These two know neither variables nor merge keys: the caller takes both out of the file.
    fn spec(text: &str) -> Option<usize> {
        let file: compose_spec::Compose = serde_yaml::from_str(&plain(text)).ok()?;
        Some(file.services.len())
    }

    fn types(text: &str) -> Option<usize> {
        let file: docker_compose_types::Compose = serde_yaml::from_str(&plain(text)).ok()?;
        Some(file.services.0.len())
    }

    fn plain(text: &str) -> String {
        text.replace("${TAG:-1.2.3}", "1.2.3")
            .replace("${DB_PASSWORD:-secret}", "secret")
            .replace("    <<: *common\n", "")
    }

    fn podup(text: &str) -> Option<usize> {
        Some(podup::parse_str(text).ok()?.services.len())
    }
}

fn benchmarks(c: &mut Criterion) {
    for services in [12, 200, 2000] {
        let text = real(services);
        let (project, findings) = load(&text);
        assert_eq!((project.services.len(), findings), (services, 0));
        assert_eq!(project.services[0].endpoints.len(), 1);
        let mut group = c.benchmark_group(format!("compose/load/{services}-services"));
        group.throughput(Throughput::Bytes(text.len() as u64));
        group.bench_function("kraud", |b| b.iter(|| load(black_box(&text))));
        group.bench_function("bare-events", |b| b.iter(|| events(black_box(&text))));
        #[cfg(feature = "rivals")]
        for (name, run) in rivals::ALL {
            match run(&text) {
                Some(found) => {
                    assert_eq!(found, services, "{name}");
                    group.sample_size(10);
                    group.bench_function(name, |b| b.iter(|| run(black_box(&text))));
                }
                None => println!("{name} refuses the file of {services} services"),
            }
        }
        group.finish();
    }
    let text = wrong(200);
    let (_, findings) = load(&text);
    assert_eq!(findings, 400);
    let mut group = c.benchmark_group("compose/load/200-services-400-errors");
    group.throughput(Throughput::Bytes(text.len() as u64));
    group.bench_function("kraud", |b| b.iter(|| load(black_box(&text))));
    group.finish();
}

criterion_group!(benches, benchmarks);
criterion_main!(benches);
