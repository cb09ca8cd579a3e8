//! `FidelityLevels`: what short trials of a task say of full ones.

use crate::effort::NEARLY;
use crate::gaussian_ranks;

/// A level of fewer architectures is one with the next lower: a single trial of 500 epochs is no scale for fifty of 50.
const FEW: usize = 5;
/// How closely ranks at two levels go together where nothing is known of it, and how many architectures known at both this counts as.
const USUAL: f64 = 0.7;
const USUAL_COUNT: f64 = 4.0;
/// Steps that differ by less are the same.
const ROUNDING: f64 = 1.0 + 1e-9;

/// The scores of one trial by what they took, in order of it; higher is better.
pub(crate) type Course = Vec<(f64, f64)>;

/// The fidelities at which a task has measured architectures, the fullest first: each from half of the most that it was at. Scores after
/// one epoch and after fifty have no common scale, but they have ranks.
pub(crate) struct FidelityLevels(Vec<Level>);

struct Level {
    /// The least effort that is of the level.
    from: f64,
    /// Where the courses of fuller trials are read.
    to: f64,
}

impl FidelityLevels {
    /// Of the efforts at which architectures have their fullest scores.
    pub(crate) fn of(mut efforts: Vec<f64>) -> Self {
        efforts.sort_by(|a, b| b.total_cmp(a));
        let mut levels = Vec::new();
        let mut first = 0;
        while first < efforts.len() {
            let mut to = efforts[first];
            let mut end = efforts.partition_point(|effort| *effort >= NEARLY * to);
            while end - first < FEW && end < efforts.len() {
                to = efforts[end];
                end = efforts.partition_point(|effort| *effort >= NEARLY * to);
            }
            levels.push(Level { from: NEARLY * to, to });
            first = end;
        }
        FidelityLevels(levels)
    }

    /// Whether all can be compared as they are.
    pub(crate) fn is_one(&self) -> bool {
        self.0.len() < 2
    }

    /// Whether what took so much is of the fullest level.
    pub(crate) fn is_full(&self, effort: f64) -> bool {
        self.0.first().is_none_or(|level| effort >= level.from)
    }

    /// How many architectures are known both at a level and at a fuller one, for each level.
    fn linked(&self, courses: &[Vec<Course>]) -> Vec<usize> {
        let linked = |(at, level): (usize, &Level)| {
            let fuller = at.checked_sub(1).map_or(0.0, |above| self.0[above].from);
            let goes_on = |trials: &[Course]| trials.iter().flatten().any(|(effort, _)| *effort >= fuller);
            courses.iter().filter(|trials| goes_on(trials) && level.read(trials).is_some()).count()
        };
        self.0.iter().enumerate().map(linked).collect()
    }

    /// Whether something is known of how scores at the level of each of these efforts go on: some architectures are known at a fuller
    /// level too, or it is the fullest.
    pub(crate) fn go_on(&self, efforts: &[f64], courses: &[Vec<Course>]) -> Vec<bool> {
        let linked = self.linked(courses);
        let at = |effort: &f64| self.0.iter().position(|level| *effort >= level.from);
        efforts.iter().map(|effort| at(effort).is_some_and(|at| linked[at] >= FEW)).collect()
    }

    /// Where architectures stand among all of the task, were all measured in full: for those of the fullest level their ranks in it, for
    /// the others what their ranks at lower levels let expect. From the lowest level up, standings `s` of deviation 1 become `r s` for who
    /// is not known at the next, and for who is `r m + sqrt(r^2 d^2 + 1 - r^2) g`: `g` are the Gaussian ranks there, `m` and `d`
    /// mean and deviation of `s` of those known there (often they are the survivors), and `r` the correlation between both over all,
    /// of which that among the survivors is put right for their narrower range. The more are full the less is left of the rest; were all
    /// full, ranks would be those of the full scores.
    ///
    /// *Source*: correction for restriction of range, Thorndike, "Personnel Selection" (1949), case 2.
    ///
    /// # Shapes
    /// The courses of each architecture's trials, `(n,)`, give `(n,)`; nothing for those without a score.
    pub(crate) fn standings(&self, courses: &[Vec<Course>]) -> Vec<Option<f64>> {
        let mut standings = vec![None; courses.len()];
        for level in self.0.iter().rev() {
            let scores: Vec<Option<f64>> = courses.iter().map(|trials| level.read(trials)).collect();
            standings = level_up(&standings, &scores);
        }
        standings
    }
}

impl Level {
    /// What an architecture scores at this level: the mean of its trials' last scores in it.
    fn read(&self, trials: &[Course]) -> Option<f64> {
        let last = |course: &Course| {
            let until = course.partition_point(|(effort, _)| *effort <= self.to * ROUNDING);
            let (effort, score) = *course.get(until.checked_sub(1)?)?;
            (effort >= self.from).then_some(score)
        };
        let scores: Vec<f64> = trials.iter().filter_map(last).collect();
        (!scores.is_empty()).then(|| scores.iter().sum::<f64>() / scores.len() as f64)
    }
}

/// Standings with the scores of the next fuller level.
fn level_up(standings: &[Option<f64>], scores: &[Option<f64>]) -> Vec<Option<f64>> {
    let known: Vec<usize> = (0..scores.len()).filter(|at| scores[*at].is_some()).collect();
    let ranks = gaussian_ranks(&known.iter().map(|at| scores[*at]).collect::<Vec<_>>());
    if standings.iter().all(Option::is_none) {
        let mut next = vec![None; scores.len()];
        known.iter().zip(ranks).for_each(|(at, rank)| next[*at] = Some(rank));
        return next;
    }
    let pairs: Vec<(f64, f64)> =
        known.iter().zip(&ranks).filter_map(|(at, rank)| Some((standings[*at]?, *rank))).collect();
    let Agreement { mean, deviation, correlation } = Agreement::of(&pairs);
    let spread = (correlation.powi(2) * deviation.powi(2) + 1.0 - correlation.powi(2)).sqrt();
    let mut next: Vec<Option<f64>> = standings.iter().map(|before| before.map(|s| correlation * s)).collect();
    known.iter().zip(ranks).for_each(|(at, rank)| next[*at] = Some(correlation * mean + spread * rank));
    next
}

/// How standings at one level go with ranks at the next.
struct Agreement {
    /// Of the standings of those known at both.
    mean: f64,
    deviation: f64,
    /// Over all, known at both or not.
    correlation: f64,
}

impl Agreement {
    fn of(pairs: &[(f64, f64)]) -> Self {
        let n = pairs.len() as f64;
        let mean = pairs.iter().map(|(s, _)| s).sum::<f64>() / (n + 1.0);
        let about = |of: fn(&(f64, f64)) -> f64| pairs.iter().map(of).sum::<f64>() / n.max(1.0);
        let (centre, middle) = (about(|pair| pair.0), about(|pair| pair.1));
        let (mut ss, mut gg, mut sg) = (0.0, 0.0, 0.0);
        for (s, g) in pairs {
            ss += (s - centre).powi(2);
            gg += (g - middle).powi(2);
            sg += (s - centre) * (g - middle);
        }
        let among = if ss > 0.0 && gg > 0.0 { sg / (ss * gg).sqrt() } else { 0.0 };
        let among = ((n * among + USUAL_COUNT * USUAL) / (n + USUAL_COUNT)).max(0.0);
        let variance = (ss + USUAL_COUNT) / (n + USUAL_COUNT);
        let correlation = among / (variance * (1.0 - among.powi(2)) + among.powi(2)).sqrt();
        Agreement { mean, deviation: variance.sqrt(), correlation }
    }
}

/// Scores of the fullest level over where they stand.
pub(crate) struct FullScores {
    /// Standings and scores, ascending.
    known: Vec<(f64, f64)>,
    /// How scores rise with standings over the middle half.
    slope: f64,
}

impl FullScores {
    /// Of (standing, score) pairs; nothing of none.
    pub(crate) fn of(mut known: Vec<(f64, f64)>) -> Option<Self> {
        known.sort_by(|a, b| a.0.total_cmp(&b.0));
        let quarter = known.len() / 4;
        let (low, high) = (*known.get(quarter)?, known[known.len() - 1 - quarter]);
        let slope = if high.0 > low.0 { (high.1 - low.1) / (high.0 - low.0) } else { 0.0 };
        Some(FullScores { known, slope })
    }

    /// What is expected of an architecture that stands there: a score between those of its neighbours; beyond all, by the slope.
    pub(crate) fn at(&self, standing: f64) -> f64 {
        let above = self.known.partition_point(|(other, _)| *other < standing);
        let beyond = |end: (f64, f64)| end.1 + self.slope * (standing - end.0);
        match (above.checked_sub(1).map(|below| self.known[below]), self.known.get(above)) {
            (Some(a), Some(b)) => a.1 + (b.1 - a.1) * (standing - a.0) / (b.0 - a.0),
            (Some(last), None) => beyond(last),
            (None, Some(first)) => beyond(*first),
            (None, None) => unreachable!("there is one"),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Architectures of true scores 0, 1, 2, …: all are known at 3 epochs, in order but for the swaps of `noise`; `full` of them at 27.
    fn courses(n: usize, noise: usize, full: impl Fn(usize) -> bool) -> Vec<Vec<Course>> {
        let early = |at: usize| (at + noise * (at * 7 % 3)) as f64;
        let course = |at| {
            let mut course = vec![(3.0, early(at))];
            course.extend(full(at).then_some((27.0, 100.0 + at as f64)));
            vec![course]
        };
        (0..n).map(course).collect()
    }

    fn standings(courses: &[Vec<Course>]) -> Vec<f64> {
        let end =
            |trials: &Vec<Course>| trials.iter().flatten().map(|(effort, _)| *effort).fold(0.0, f64::max);
        let levels = FidelityLevels::of(courses.iter().map(end).collect());
        levels.standings(courses).into_iter().map(Option::unwrap).collect()
    }

    #[test]
    fn survivors_stand_above_the_stopped() {
        // As successive halving leaves it: the best fifth went on.
        let all = standings(&courses(60, 1, |at| at >= 48));
        let mean = |part: &[f64]| part.iter().sum::<f64>() / part.len() as f64;
        assert!(mean(&all[48..]) > 1.0, "{all:?}");
        assert!(mean(&all[24..48]) > mean(&all[..24]) + 0.8);
        assert!(all[48..].windows(2).all(|pair| pair[0] < pair[1]), "in the order of their full scores");
    }

    #[test]
    fn full_ones_by_chance_stand_among_the_others() {
        let all = standings(&courses(60, 1, |at| at % 4 == 0));
        let off: Vec<f64> = all.windows(2).map(|pair| (pair[1] - pair[0]).abs()).collect();
        assert!(off.iter().sum::<f64>() / 59.0 < 0.35, "{off:?}");
    }

    #[test]
    fn early_scores_that_foretell_nothing_say_nothing() {
        let reversed: Vec<Vec<Course>> = courses(60, 0, |at| at % 2 == 0);
        let turned = |trials: Vec<Course>| {
            let turn = |(effort, score): (f64, f64)| (effort, if effort < 9.0 { -score } else { score });
            trials.into_iter().map(|course| course.into_iter().map(turn).collect()).collect()
        };
        let all = standings(&reversed.into_iter().map(turned).collect::<Vec<_>>());
        assert!((1..60).step_by(2).all(|at| all[at].abs() < 0.2), "{all:?}");
    }

    #[test]
    fn stopped_ones_go_on_only_where_some_are_known_at_both_levels() {
        let end = |trials: &Vec<Course>| trials[0].last().unwrap().0;
        for (full, goes_on) in [(12, true), (4, false)] {
            let mut courses = courses(40, 0, |at| at < full);
            courses.extend((0..6).map(|at| vec![vec![(27.0, f64::from(at))]]));
            let efforts: Vec<f64> = courses.iter().map(end).collect();
            let told = FidelityLevels::of(efforts.clone()).go_on(&efforts, &courses);
            assert!(told[45], "what is full needs nothing");
            assert_eq!(told[39], goes_on, "{full} of 40 are known at both");
        }
    }

    #[test]
    fn scores_are_told_between_and_beyond_the_full_ones() {
        let full = FullScores::of(vec![(1.0, 10.0), (0.0, 8.0), (2.0, 12.0), (-1.0, 6.0)]).unwrap();
        assert_eq!([0.5, 2.0, 3.0, -2.0].map(|at| full.at(at)), [9.0, 12.0, 14.0, 4.0]);
        assert!(FullScores::of(vec![]).is_none());
        assert_eq!(FullScores::of(vec![(0.0, 3.0)]).unwrap().at(5.0), 3.0);
    }

    proptest! {
        /// Were all full, nothing would be left of lower levels; and one more full trial changes little.
        #[test]
        fn more_full_trials_change_little(n in 12_usize..60, key in 0_usize..100) {
            let order = |at: usize| (at * 37 + key) % n;
            let all = |full: usize| standings(&courses(n, 2, |at| order(at) < full));
            let ranks = gaussian_ranks(&(0..n).map(|at| Some(at as f64)).collect::<Vec<_>>());
            let whole = all(n);
            prop_assert!(whole.iter().zip(&ranks).all(|(a, b)| (a - b).abs() < 1e-9));
            for full in 5..n {
                let (less, more) = (all(full), all(full + 1));
                let moved = less.iter().zip(&more).map(|(a, b)| (a - b).powi(2)).sum::<f64>() / n as f64;
                prop_assert!(moved.sqrt() < 0.45, "{full} of {n}: {moved}");
            }
        }
    }
}
