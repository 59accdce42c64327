//! The side of the bench that is ours: it builds, and answers as the bench expects.

#[path = "../../../bench/src/ours.rs"]
mod ours;

#[test]
fn the_rules_of_the_bench_are_decided_as_it_expects() {
    for rules in [10, 100, 1000] {
        let tools = rules / ours::RULES.len();
        let (_, mut decide) = ours::ours(tools);
        for (ask, wanted) in ours::asks(tools) {
            assert_eq!(
                decide(&ask),
                wanted,
                "{} {} {} {} {}",
                ask.tool,
                ask.env,
                ask.cents,
                ask.team,
                ask.path
            );
        }
    }
}
