//! `serve`: answers to other programs.

use std::path::Path;

use kraud_netlink::Netns;

use super::Found;
use crate::cli::{DnsArgs, DockerApiArgs, Global, Input, ServeCommand};
use crate::dns::server::{self, ADDRESS, Responder};
use crate::docker_api::{self, server::Server};
use crate::error::Error;
use crate::lab::Interrupt;
use crate::listings::NetworkView;
use crate::names::Names;
use crate::talk::Talk;

/// `serve`.
pub(super) fn run(command: &ServeCommand, talk: &Talk) -> Result<(), Error> {
    match command {
        ServeCommand::DockerApi(args) => docker_api(args, talk),
        ServeCommand::Dns(args) => dns(args, talk),
    }
}

fn docker_api(args: &DockerApiArgs, talk: &Talk) -> Result<(), Error> {
    // What is wrong with the file is said before anybody asks.
    let first = networks(&args.input, talk)?;
    let only_once = args.input.files.iter().any(|file| file == Path::new("-"));
    let interrupt = Interrupt::watch().map_err(Error::io("cannot watch for signals"))?;
    let server = Server::bind(&args.listen.0)?;
    talk.say(format_args!(
        "listening until interrupted; try: docker -H unix://{} network ls",
        args.listen.0.display()
    ));
    let current = || match only_once {
        true => Ok(first.clone()),
        // The file may have changed since.
        false => {
            networks(&args.input, &Talk::new(Global::quiet())).map_err(|error| error.to_string())
        }
    };
    server
        .run(
            |request| docker_api::answer(request, current),
            || interrupt.is_set(),
        )
        .map_err(Error::io("cannot accept connections"))
}

fn dns(args: &DnsArgs, talk: &Talk) -> Result<(), Error> {
    let found = Found::by(&args.input, talk)?;
    let listed = found.listed();
    let of = |pod: &str| {
        let mut deployments = listed.iter().map(|listed| listed.deployment);
        let own =
            deployments.find(|deployment| deployment.pods.iter().any(|other| other.name == pod));
        own.ok_or_else(|| Error::NotFound(format!("no pod is called `{pod}`")))
    };
    let mut responders = Vec::new();
    let mut scope = None;
    for argument in &args.pods {
        let (pod, netns) = argument.split_once('=').unwrap_or((argument, argument));
        let own = &of(pod)?.scope;
        if *scope.get_or_insert(own) != own {
            return Err(Error::Usage(
                "pods of different VPCs know different names: serve each VPC alone".to_owned(),
            ));
        }
        let netns = Netns::find(netns).map_err(Error::netlink(pod))?;
        let opened = netns
            .run(|| Responder::open(pod, ADDRESS))
            .map_err(Error::netlink(pod))?;
        responders.push(opened.map_err(Error::io(format!("{pod}: DNS at {ADDRESS}")))?);
    }
    let Some(scope) = scope else { return Ok(()) };
    let names = Names::in_vpc(scope, listed.iter().map(|listed| listed.deployment));
    let interrupt = Interrupt::watch().map_err(Error::io("cannot watch for signals"))?;
    talk.say(format_args!(
        "answering {} pods at {ADDRESS} until interrupted; their resolv.conf is: nameserver {}",
        responders.len(),
        ADDRESS.ip()
    ));
    server::run(&mut responders, &names, || interrupt.is_set())
        .map_err(Error::io("cannot wait for questions"))
}

fn networks(input: &Input, talk: &Talk) -> Result<Vec<NetworkView>, Error> {
    let found = Found::by(input, talk)?;
    Ok(NetworkView::of(&found.listed()))
}
