//! `graph`, `wg`, `completions` and `man`: texts for other programs.

use clap::CommandFactory;

use super::{deployment, print_text};
use crate::cli::{Cli, CompletionsArgs, GraphArgs, ManArgs, Picture, ShowconfArgs, WgCommand};
use crate::error::Error;
use crate::graph::{self, Graph};
use crate::input;
use crate::keys;
use crate::plan::mesh;
use crate::talk::Talk;
use crate::wgconf::showconf;

pub(super) fn graph(args: &GraphArgs, talk: &Talk) -> Result<(), Error> {
    let project = input::load(&args.input, talk)?;
    let deployment = deployment(&project, &args.input, args.topology, talk)?;
    let graph = Graph::of(&deployment);
    print_text(&match args.output {
        Picture::Dot => graph::dot(&graph),
        Picture::Svg => graph::svg(&graph),
    })
}

pub(super) fn wg(command: &WgCommand, talk: &Talk) -> Result<(), Error> {
    match command {
        WgCommand::Showconf(args) => wg_showconf(args, talk),
    }
}

fn wg_showconf(args: &ShowconfArgs, talk: &Talk) -> Result<(), Error> {
    let project = input::load(&args.input, talk)?;
    let deployment = deployment(&project, &args.input, args.topology, talk)?;
    let mut hosts = deployment.hosts.iter();
    let host = hosts
        .find(|host| host.name == args.host)
        .ok_or_else(|| Error::NotFound(format!("no host is called `{}`", args.host)))?;
    for host in &deployment.hosts {
        let file = args.keys.join(format!("{}.key", host.name));
        if !file.exists() {
            return Err(Error::NotFound(format!(
                "{} is missing: `lab --keys {}` makes it, or copy it there",
                file.display(),
                args.keys.display()
            )));
        }
    }
    let keys = keys::of_hosts(&deployment.hosts, Some(&args.keys))?;
    print_text(&showconf(
        &mesh(&deployment, host)?,
        &keys,
        args.with_private_key,
    )?)
}

pub(super) fn completions(args: &CompletionsArgs) -> Result<(), Error> {
    let mut command = Cli::command();
    let name = command.get_name().to_owned();
    let mut text = Vec::new();
    clap_complete::generate(args.shell, &mut command, name, &mut text);
    print_text(&String::from_utf8_lossy(&text))
}

pub(super) fn man(args: &ManArgs) -> Result<(), Error> {
    let mut command = Cli::command();
    if let Some(folder) = &args.all {
        let failed = || Error::io(format!("cannot write to {}", folder.display()));
        std::fs::create_dir_all(folder).map_err(failed())?;
        return clap_mangen::generate_to(command, folder).map_err(failed());
    }
    command.build();
    let mut command = &command;
    for name in &args.command {
        command = command.find_subcommand(name).ok_or_else(|| {
            Error::Usage(format!("there is no command `{}`", args.command.join(" ")))
        })?;
    }
    let mut text = Vec::new();
    clap_mangen::Man::new(command.clone())
        .render(&mut text)
        .map_err(Error::io("cannot write the page"))?;
    print_text(&String::from_utf8_lossy(&text))
}
