//! Data access: whose data an agent may read and write.

use super::tally::Tally;
use super::{Scene, seen};
use crate::action::Access;
use crate::document::mandate::{DataAccess, Mandate, Scope};
use crate::verdict::Decision;

/// Restricts every operation on a listed resource, and grants the built-in ones.
pub(super) fn weigh(scene: &Scene<'_>, mandate: &Mandate, tally: &mut Tally) {
    let resource = scene.action.resource.as_ref();
    let kind = resource.and_then(|resource| resource.kind.as_deref());
    let (Some(entries), Some(kind)) = (&mandate.data, kind) else {
        return;
    };
    if let Some(hidden) = scene.hidden {
        hidden.see_text(Some(kind), "resource.type");
    }
    let needed = seen::access(scene.action, scene.tool).unwrap_or(Access::Write);
    let mut listed = false;
    let mut met = true;
    for entry in entries.iter().filter(|entry| entry.resource.matches(kind)) {
        listed = true;
        if let Some((code, message)) = unmet(entry, needed, scene) {
            tally.deny(Some(&entry.id), code, message);
            met = false;
        }
    }
    if !listed {
        let message = "the mandate's `data_access` does not list this type of resource";
        tally.deny(Some(&mandate.id), "resource_not_listed", message);
        return;
    }
    if !met || !grantable(scene) {
        return;
    }
    tally.grant(false);
    tally.rests_on(["resource"]);
    for entry in entries.iter().filter(|entry| entry.resource.matches(kind)) {
        if entry.scope == Scope::OwnedByCurrentUser && !scene.ctx.principal_verified {
            tally.rests_on(["principal"]);
        }
        tally.say(
            Some(&entry.id),
            "data_access",
            Decision::Allow,
            "scope and access of the resource are met",
        );
    }
}

/// Why the entry is not met: code and sentence.
pub(super) fn unmet(entry: &DataAccess, needed: Access, scene: &Scene<'_>) -> Option<(&'static str, &'static str)> {
    let owner = scene
        .action
        .resource
        .as_ref()
        .and_then(|resource| resource.owner.as_deref());
    match (entry.scope, scene.action.principal.as_deref(), owner) {
        (Scope::All, ..) => {}
        (Scope::None, ..) => return Some(("scope", "the mandate keeps the agent away from this type of resource")),
        (Scope::OwnedByCurrentUser, None, _) => return Some(("scope", "the action names no principal")),
        (Scope::OwnedByCurrentUser, _, None) => return Some(("scope", "the action does not say whose it is")),
        (Scope::OwnedByCurrentUser, Some(principal), Some(owner)) => {
            if let Some(hidden) = scene.hidden {
                hidden.see_text(Some(principal), "principal");
                hidden.see_text(Some(owner), "resource.owner");
            }
            if principal != owner {
                return Some(("scope", "it belongs to somebody else than the principal"));
            }
        }
    }
    match entry.access {
        None => Some(("access", "the mandate allows no access to this type of resource")),
        Some(Access::Read) if needed == Access::Write => {
            Some(("access", "the mandate allows to read it, not to write"))
        }
        Some(_) => None,
    }
}

/// Data access grants operations, not tools: with a tool, the tool has to be the operation, or one that only reads.
///
/// Otherwise an agent could have any tool by calling what it does "read".
fn grantable(scene: &Scene<'_>) -> bool {
    let operation = scene.action.action.as_str();
    if seen::built_in(operation).is_none() {
        return false;
    }
    let Some(tool) = scene.action.tool.as_deref() else {
        return true;
    };
    let last = tool.rsplit_once('/').map_or(tool, |(_, last)| last);
    last == operation || scene.tool.is_some_and(|tool| tool.access == Some(Access::Read))
}
