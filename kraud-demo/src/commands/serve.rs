//! `serve`: answers to other programs.

use std::path::Path;

use super::Found;
use crate::cli::{DockerApiArgs, Global, Input, ServeCommand};
use crate::docker_api::{self, server::Server};
use crate::error::Error;
use crate::lab::Interrupt;
use crate::listings::NetworkView;
use crate::talk::Talk;

/// `serve`.
pub(super) fn run(command: &ServeCommand, talk: &Talk) -> Result<(), Error> {
    match command {
        ServeCommand::DockerApi(args) => docker_api(args, talk),
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
        // The file, or what was applied, may have changed since.
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

fn networks(input: &Input, talk: &Talk) -> Result<Vec<NetworkView>, Error> {
    let found = Found::by(input, talk)?;
    Ok(NetworkView::of(&found.listed()))
}
