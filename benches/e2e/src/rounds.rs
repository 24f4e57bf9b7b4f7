//! Both sides in turn. The ratio is the median of the ratios of all rounds: on a machine that is
//! shared both sides of a round meet the same neighbours.

use crate::row::Row;

/// Measures each side (0 is ours) once in each round; several things at once, a row each.
pub(crate) fn in_turn<const N: usize>(
    rounds: usize,
    names: [(String, Option<f64>); N],
    mut measure: impl FnMut(usize) -> [f64; N],
) -> [Row; N] {
    let mut found = Vec::new();
    for round in 0..rounds {
        // Each side is the second in its turn.
        let order = if round % 2 == 0 { [0, 1] } else { [1, 0] };
        let mut took = [[0.0; N]; 2];
        for side in order {
            took[side] = measure(side);
        }
        found.push(took);
    }
    let mut at = 0..;
    names.map(|(name, goal)| {
        let at = at.next().unwrap();
        let median_of = |read: fn(f64, f64) -> f64| {
            let read = |took: &[[f64; N]; 2]| read(took[0][at], took[1][at]);
            median(found.iter().map(read).collect())
        };
        Row {
            name,
            ours: median_of(|ours, _| ours),
            peer: median_of(|_, peer| peer),
            ratio: median_of(|ours, peer| ours / peer),
            goal,
        }
    })
}

pub(crate) fn median(mut of: Vec<f64>) -> f64 {
    of.sort_unstable_by(f64::total_cmp);
    let half = of.len() / 2;
    match of.len() % 2 {
        0 => f64::midpoint(of[half - 1], of[half]),
        _ => of[half],
    }
}

#[cfg(test)]
mod tests {
    use super::in_turn;

    #[test]
    fn a_ratio_is_the_median_of_the_rounds() {
        let mut taken = [[8.0, 1.0, 3.0].into_iter(), [4.0, 2.0, 3.0].into_iter()];
        let mut order = Vec::new();
        let [row] = in_turn(3, [("row".to_owned(), None)], |side| {
            order.push(side);
            [taken[side].next().unwrap()]
        });
        assert_eq!(order, [0, 1, 1, 0, 0, 1]);
        assert_eq!([row.ours, row.peer, row.ratio], [3.0, 3.0, 1.0]);
    }
}
