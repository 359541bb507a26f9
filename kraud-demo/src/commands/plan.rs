//! `plan`: what would be done.

use super::{deployment, print_json, print_text, print_yaml};
use crate::cli::{PlanArgs, PlanOutput, PlaneChoice};
use crate::error::{Error, exit};
use crate::input;
use crate::plan::{Plan, Plane};
use crate::talk::Talk;

pub(super) fn run(args: &PlanArgs, talk: &Talk) -> Result<u8, Error> {
    let project = input::load(&args.input, talk)?;
    let deployment = deployment(&project, &args.input, args.topology, talk)?;
    let plane = match args.plane {
        PlaneChoice::Auto | PlaneChoice::Kernel => Plane::Kernel,
        PlaneChoice::Userspace => Plane::Userspace,
        PlaneChoice::Mixed => Plane::Mixed,
    };
    let plan = Plan::new(&deployment, plane)?;
    match args.output {
        PlanOutput::Table => print_text(&plan.table()),
        PlanOutput::Json => print_json(&plan.data(plane)),
        PlanOutput::Yaml => print_yaml(&plan.data(plane)),
        PlanOutput::Sh => print_text(&plan.script()),
    }?;
    Ok(match args.detailed_exitcode && !plan.steps.is_empty() {
        true => exit::CHANGES,
        false => exit::OK,
    })
}
