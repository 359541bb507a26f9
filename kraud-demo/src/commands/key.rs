//! `key`: public keys, and new pairs.

use super::place::Place;
use super::print_text;
use crate::cli::KeyCommand;
use crate::error::Error;
use crate::keys;
use crate::state::Lock;

pub(super) fn run(command: &KeyCommand) -> Result<(), Error> {
    let (KeyCommand::Show(args) | KeyCommand::Rotate(args)) = command;
    let place = Place::of(&args.machine, &args.input)?;
    let _lock = Lock::take(&place.state)?;
    let (folder, file) = (place.key_folder(), place.key_file());
    let private = match command {
        KeyCommand::Show(_) => keys::load_or_make(&folder, &file)?,
        KeyCommand::Rotate(_) => keys::replace(&folder, &file)?,
    };
    print_text(&format!("{}\n", keys::public_key(&private)))
}
