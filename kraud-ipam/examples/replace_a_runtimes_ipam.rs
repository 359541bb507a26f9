//! What a container runtime asks of its address management, in docker's terms: networks out of default
//! pools, containers with and without fixed addresses, restarts, and a state that survives.

use std::error::Error;

use kraud_ipam::{AllocRequest, CarveRequest, Ipam, Subnet, SubnetPool};

/// A runtime with its state as text, as it would be in a file.
struct Runtime {
    ipam: Ipam,
    now: u64,
}

impl Runtime {
    fn new() -> Result<Self, Box<dyn Error>> {
        let mut ipam = Ipam::new();
        // What the host uses itself must not become a container network, however it is listed.
        let pools = SubnetPool::docker_default()
            .reserve("LAN", "192.168.0.0/22".parse()?)
            .reserve("name server", "192.168.0.1/32".parse()?)
            .build()?;
        ipam.transaction(|tx| tx.insert_pool("pools", pools))?;
        Ok(Self { ipam, now: 0 })
    }

    /// `docker network create`: a network with a gateway, and half a minute before an address is reused.
    fn create_network(&mut self, name: &str) -> Result<(), Box<dyn Error>> {
        self.ipam.transaction(|tx| -> Result<(), Box<dyn Error>> {
            let prefix = tx
                .carve("pools", name, CarveRequest::default_size())?
                .prefix();
            tx.insert_subnet(
                name,
                Subnet::builder(prefix)
                    .default_gateway()
                    .quarantine(30)
                    .build()?,
            )?;
            println!("network {name}: {prefix}");
            Ok(())
        })?;
        Ok(())
    }

    /// `docker run --network NAME [--ip ADDRESS]`.
    fn start(
        &mut self,
        container: &str,
        network: &str,
        address: Option<&str>,
    ) -> Result<(), Box<dyn Error>> {
        let request = match address {
            Some(address) => AllocRequest::exact(address.parse()?),
            None => AllocRequest::next(),
        };
        let (grant, _) = self
            .ipam
            .transaction(|tx| tx.allocate(network, container, request.at(self.now)))?;
        println!("{container}: {} ({})", grant.address(), grant.why());
        Ok(())
    }

    /// `docker rm`: all addresses of a container, in all networks.
    fn remove(&mut self, container: &str) -> Result<(), Box<dyn Error>> {
        let (released, _) = self
            .ipam
            .transaction(|tx| tx.release_owner(container, self.now))?;
        println!("{container}: {} released", released.len());
        Ok(())
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut runtime = Runtime::new()?;
    runtime.create_network("front")?;
    runtime.create_network("back")?;
    runtime.start("db", "back", Some("172.18.0.50"))?;
    runtime.start("app", "back", None)?;
    runtime.start("app", "front", None)?;
    runtime.remove("app")?;

    // The address rests; the next container gets another one, an explicit request gets it at once.
    runtime.now = 5;
    runtime.start("job", "back", None)?;
    runtime.start("app", "back", Some("172.18.0.2"))?;

    for address in ["172.18.0.1", "172.18.0.2", "172.18.0.50", "172.18.0.99"] {
        let back = runtime.ipam.subnet("back").ok_or("no such network")?;
        println!("{address}: {}", back.explain(address.parse()?));
    }
    let error = runtime
        .start("thief", "back", Some("172.18.0.50"))
        .expect_err("db has it");
    println!("refused: {error}");
    Ok(())
}
