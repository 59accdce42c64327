//! What the inventory knows of agents, tools that change, and leases of gateways.

use std::collections::BTreeSet;

use countersign_api::always_denied::{AlwaysDeniedAnswer, AlwaysDeniedBody, OPERATIONS_AT_MOST, OperationBody};
use countersign_api::bounded::{Hex64, Id, Moment, Text};
use countersign_api::inventory::{
    AccessItem, AccessReviewAnswer, ApproveToolBody, BoundaryBody, DescriptionBody, FailOpenItem, GuardBody,
    ITEMS_AT_MOST, LeaseAnswer, LeaseBody, LeaseItem, LeasesAnswer, ReadinessAnswer, ReadinessItem, RegisterAnswer,
    RegisterEntry, ToolAnswer, ToolBody, ToolsAnswer,
};
use countersign_api::operations::DoneAnswer;
use countersign_core::Time;
use countersign_core::digest::Digest;
use countersign_core::event::{AgentDescribed, Boundary, Description, FailOpen, ToolApproved, ToolRegistered};
use countersign_core::policy::Action;
use countersign_core::state::{KnownTool, Lease, NewLease, Register};
use countersign_engine::Caller;

use super::handlers;
use super::kill::{on_the_wire as stop_on_the_wire, scope};
use crate::problem::Problem;
use crate::reply::{Answer, json};
use crate::way::Asked;

handlers! {
    "describe_agent" => Caller describe,
    "activate_agent" => Caller activate,
    "readiness" => Caller readiness,
    "description" => Caller description,
    "access_review" => Caller access_review,
    "register" => Caller register,
    "tools" => Caller tools,
    "register_tool" => Caller register_tool,
    "approve_tool" => Caller approve_tool,
    "always_denied" => Caller always_denied,
    "leases" => Caller leases,
    "take_lease" => Caller take_lease,
    "give_back_lease" => Caller give_back_lease,
}

async fn register(asked: Asked<Caller>) -> Answer {
    let wanted = Register::ALL
        .into_iter()
        .find(|register| register.as_str() == asked.param());
    let wanted = wanted.ok_or_else(|| Problem::missing("register", asked.param()))?;
    let entries = asked.app.engine.register_of(&asked.caller, wanted).await?;
    let of_column = |(column, said): (&str, BTreeSet<String>)| (column.to_owned(), said.into_iter().collect());
    json(&RegisterAnswer {
        register: wanted.as_str().to_owned(),
        columns: wanted.columns().iter().map(|column| (*column).to_owned()).collect(),
        entries: (entries.into_iter())
            .map(|(name, about)| RegisterEntry {
                name,
                about: about.into_iter().map(of_column).collect(),
            })
            .collect(),
    })
}

fn list(items: Vec<Text<200>>) -> Result<Vec<String>, Problem> {
    if items.len() > ITEMS_AT_MOST {
        let detail = format!("a list has at most {ITEMS_AT_MOST} items");
        return Err(Problem::invalid("invalid_value", detail));
    }
    Ok(items.into_iter().map(|item| item.0).collect())
}

fn moment(moment: Moment) -> Result<Time, Problem> {
    (moment.0.parse()).map_err(|_| Problem::invalid("invalid_value", format!("`{}` is no instant", moment.0)))
}

fn digest(hex: &Hex64) -> Result<Digest, Problem> {
    (hex.0.parse()).map_err(|_| Problem::invalid("invalid_value", "a digest has 64 hexadecimal digits"))
}

fn from_the_wire(body: DescriptionBody) -> Result<Description, Problem> {
    let (id, boundary) = (|id: Id| id.0, body.boundary);
    Ok(Description {
        boundary: Boundary {
            always_approve: list(boundary.always_approve)?,
            never_access: list(boundary.never_access)?,
            owning_team: boundary.owning_team.map(id),
            process: boundary.process.map(|text| text.0),
            reads: list(boundary.reads)?,
            without_approval: list(boundary.without_approval)?,
            writes: list(boundary.writes)?,
        },
        data: list(body.data)?,
        environments: list(body.environments)?,
        fallback_owner: body.fallback_owner.map(id),
        model: body.model.map(|text| text.0),
        prompt: body.prompt.map(|text| text.0),
        purpose: body.purpose.map(|text| text.0),
        review_by: body.review_by.map(moment).transpose()?,
        reviewer: body.reviewer.map(id),
        system: body.system.map(|text| text.0),
        technical_owner: body.technical_owner.map(id),
        tools: list(body.tools)?,
    })
}

fn texts(items: &[String]) -> Vec<Text<200>> {
    items.iter().cloned().map(Text).collect()
}

fn on_the_wire(known: &Description) -> DescriptionBody {
    let id = |text: &Option<String>| text.clone().map(Id);
    let boundary = &known.boundary;
    DescriptionBody {
        purpose: known.purpose.clone().map(Text),
        system: known.system.clone().map(Text),
        technical_owner: id(&known.technical_owner),
        fallback_owner: id(&known.fallback_owner),
        reviewer: id(&known.reviewer),
        review_by: known.review_by.map(|review_by| Moment(review_by.to_string())),
        model: known.model.clone().map(Text),
        prompt: known.prompt.clone().map(Text),
        environments: texts(&known.environments),
        tools: texts(&known.tools),
        data: texts(&known.data),
        boundary: BoundaryBody {
            process: boundary.process.clone().map(Text),
            reads: texts(&boundary.reads),
            writes: texts(&boundary.writes),
            without_approval: texts(&boundary.without_approval),
            always_approve: texts(&boundary.always_approve),
            never_access: texts(&boundary.never_access),
            owning_team: id(&boundary.owning_team),
        },
    }
}

async fn describe(asked: Asked<Caller>) -> Answer {
    let body: DescriptionBody = asked.body()?;
    let described = AgentDescribed {
        agent: asked.param().into(),
        description: from_the_wire(body)?,
    };
    asked.app.engine.describe_agent(&asked.request(), described).await?;
    readiness(asked).await
}

async fn activate(asked: Asked<Caller>) -> Answer {
    let replayed = asked.app.engine.activate_agent(&asked.request(), asked.param()).await?;
    Ok(readiness(asked).await?.replayed(replayed))
}

async fn readiness(asked: Asked<Caller>) -> Answer {
    let found = asked.app.engine.readiness(&asked.request(), asked.param()).await?;
    json(&ReadinessAnswer {
        ready: found.items.iter().all(|item| item.ready),
        activated: found.activated.map(|since| since.to_string()),
        required: found.required,
        items: (found.items.iter())
            .map(|item| ReadinessItem {
                field: item.field.to_owned(),
                ready: item.ready,
            })
            .collect(),
    })
}

async fn description(asked: Asked<Caller>) -> Answer {
    let id = asked.param().to_owned();
    let found = asked.app.engine.look(&asked.caller.org, move |state| {
        let known = state.agents().get(id.as_str())?;
        Some(known.description.as_deref().map(on_the_wire).unwrap_or_default())
    });
    json(&found.await?.ok_or_else(|| Problem::missing("agent", asked.param()))?)
}

async fn access_review(asked: Asked<Caller>) -> Answer {
    let grants = asked.app.engine.access_review(&asked.request(), asked.param()).await?;
    let grants = grants.into_iter().map(|grant| AccessItem {
        tool: grant.tool,
        action: grant.action,
        file: grant.file,
        line: grant.line,
        last_used: grant.last_used.map(|at| at.to_string()),
        unused: grant.unused,
    });
    json(&AccessReviewAnswer {
        grants: grants.collect(),
    })
}

fn tool_on_the_wire(name: &str, tool: &KnownTool) -> ToolAnswer {
    ToolAnswer {
        tool: name.to_owned(),
        schema: tool.schema.to_string(),
        description: tool.description.map(|digest| digest.to_string()),
        changed: tool.changed,
        since: tool.since.to_string(),
    }
}

async fn tools(asked: Asked<Caller>) -> Answer {
    let tools = asked.app.engine.look(&asked.caller.org, |state| {
        let tools = state.tools().iter();
        tools.map(|(name, tool)| tool_on_the_wire(name, tool)).collect()
    });
    json(&ToolsAnswer { tools: tools.await? })
}

async fn known_tool(asked: &Asked<Caller>, name: String) -> Answer {
    let wanted = name.clone();
    let found = asked.app.engine.look(&asked.caller.org, move |state| {
        state.tools().get(&wanted).map(|tool| tool_on_the_wire(&wanted, tool))
    });
    json(&found.await?.ok_or_else(|| Problem::missing("registered tool", &name))?)
}

async fn register_tool(asked: Asked<Caller>) -> Answer {
    let body: ToolBody = asked.body()?;
    let tool = ToolRegistered {
        description: body.description.as_ref().map(digest).transpose()?,
        schema: digest(&body.schema)?,
        tool: body.tool.0.clone(),
    };
    let replayed = asked.app.engine.register_tool(&asked.request(), tool).await?;
    Ok(known_tool(&asked, body.tool.0).await?.replayed(replayed))
}

async fn approve_tool(asked: Asked<Caller>) -> Answer {
    let body: ApproveToolBody = asked.body()?;
    let approved = ToolApproved {
        schema: digest(&body.schema)?,
        tool: body.tool.0.clone(),
    };
    let replayed = asked.app.engine.approve_tool(&asked.request(), approved).await?;
    Ok(known_tool(&asked, body.tool.0).await?.replayed(replayed))
}

async fn always_denied(asked: Asked<Caller>) -> Answer {
    let body: AlwaysDeniedBody = asked.body()?;
    if body.operations.is_empty() || body.operations.len() > OPERATIONS_AT_MOST {
        let detail = format!("a question is about 1 to {OPERATIONS_AT_MOST} operations");
        return Err(Problem::invalid("invalid_value", detail));
    }
    let env = body.env.map(|env| env.0);
    let operation = |named: OperationBody| Action {
        tool: named.tool.map(|tool| tool.0),
        env: env.clone(),
        ..Action::of(&named.action.0)
    };
    let operations: Vec<Action> = body.operations.into_iter().map(operation).collect();
    let agent = body.agent.map(|agent| agent.0);
    let found = asked
        .app
        .engine
        .always_denied(&asked.caller, agent, &operations)
        .await?;
    let (snapshot, always_denied) = match found {
        Some((snapshot, denied)) => (Some(snapshot), denied),
        None => (None, vec![false; operations.len()]),
    };
    json(&AlwaysDeniedAnswer {
        always_denied,
        snapshot,
    })
}

fn open_on_the_wire(open: &[FailOpen]) -> Vec<FailOpenItem> {
    let open = open.iter().map(|open| FailOpenItem {
        tool: open.tool.clone(),
        seconds: open.seconds,
    });
    open.collect()
}

fn lease_on_the_wire(lease: &Lease) -> LeaseItem {
    LeaseItem {
        gateway: lease.gateway.clone(),
        holder: lease.holder.clone(),
        guards: lease.guards.iter().map(ToString::to_string).collect(),
        seconds: lease.seconds,
        fail_open: open_on_the_wire(&lease.fail_open),
        since: lease.since.to_string(),
        until: lease.until.to_string(),
    }
}

async fn leases(asked: Asked<Caller>) -> Answer {
    let leases = asked.app.engine.look(&asked.caller.org, |state| {
        state.leases().map(lease_on_the_wire).collect()
    });
    json(&LeasesAnswer { leases: leases.await? })
}

async fn take_lease(asked: Asked<Caller>) -> Answer {
    let body: LeaseBody = asked.body()?;
    if body.guards.len() > ITEMS_AT_MOST {
        let detail = format!("a lease guards at most {ITEMS_AT_MOST} things");
        return Err(Problem::invalid("invalid_value", detail));
    }
    let guard = |guard: GuardBody| scope(guard.scope, guard.name);
    let gateway = body.gateway.0;
    let ask = NewLease {
        gateway: gateway.clone(),
        guards: body.guards.into_iter().map(guard).collect::<Result<_, _>>()?,
        seconds: u32::try_from(body.seconds.0).unwrap_or_default(),
    };
    asked.app.engine.take_lease(&asked.request(), ask).await?;
    let holder = asked.caller.actor.id.clone();
    let found = asked.app.engine.look(&asked.caller.org, move |state| {
        let lease = state.lease(&holder, &gateway)?;
        let (stops, goes_on) = state.stops_for(lease);
        Some(LeaseAnswer {
            gateway,
            answer: if goes_on { "go" } else { "stop" }.to_owned(),
            seconds: lease.seconds,
            stops: stops.into_iter().map(stop_on_the_wire).collect(),
            fail_open: open_on_the_wire(&lease.fail_open),
        })
    });
    json(
        &found
            .await?
            .ok_or_else(|| Problem::missing("lease", "of this gateway"))?,
    )
}

async fn give_back_lease(asked: Asked<Caller>) -> Answer {
    asked
        .app
        .engine
        .give_back_lease(&asked.request(), asked.param())
        .await?;
    json(&DoneAnswer { done: true })
}
