//! Benchmarks of kraud-compose: the whole load, validation included.
//!
//! Names are `compose/<operation>/<case>/<implementation>`; each case asserts what it loaded.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use kraud_benches::compose::{events, load, real, wrong};
#[cfg(feature = "rivals")]
use kraud_benches::compose_rivals as rivals;

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
