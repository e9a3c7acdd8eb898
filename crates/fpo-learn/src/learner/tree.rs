//! Sums over the parts of a minibatch in the order of a fixed tree.
//!
//! The tree over parts `0..n` has the parts as leaves; an inner node adds up its left part, which
//! has the largest power of two that is smaller than its length, and its right one. A rank whose
//! parts are a node of the tree adds them up by itself, and only the sum travels: with 2, 4 or 8
//! ranks and 8 parts one gradient each, and with others a few. Since the tree is that of one
//! process, so are the sums' bits.

use std::ops::Range;

/// Numbers that are added up at a time, so that sums stay in the first-level cache.
pub(super) const CHUNK: usize = 2048;

/// The two children of a node with more than one part.
fn children(node: &Range<usize>) -> [Range<usize>; 2] {
    let length = node.len();
    let middle = node.start + (length.next_power_of_two() / 2);
    [node.start..middle, middle..node.end]
}

/// The largest nodes of the tree below `node` whose parts are all among `own`, in order.
pub(super) fn cover(node: Range<usize>, own: &Range<usize>, out: &mut Vec<Range<usize>>) {
    if node.end <= own.start || own.end <= node.start || node.is_empty() {
        return;
    }
    if own.start <= node.start && node.end <= own.end {
        out.push(node);
        return;
    }
    for child in children(&node) {
        cover(child, own, out);
    }
}

/// The sum of `node`, in the order of the tree, of at most [`CHUNK`] numbers; `known` gives those
/// of nodes that need not be added up, at least of single parts.
pub(super) fn add_up<'a>(
    node: Range<usize>,
    known: &impl Fn(&Range<usize>) -> Option<&'a [f32]>,
    out: &mut [f32],
) {
    if let Some(sum) = known(&node) {
        out.copy_from_slice(sum);
        return;
    }
    let [left, right] = children(&node);
    match (known(&left), known(&right)) {
        (Some(left), Some(right)) => {
            for ((out, a), b) in out.iter_mut().zip(left).zip(right) {
                *out = a + b;
            }
        }
        (_, Some(right)) => {
            add_up(left, known, out);
            out.iter_mut().zip(right).for_each(|(sum, x)| *sum += x);
        }
        _ => {
            add_up(left, known, out);
            let mut of_right = [0.0; CHUNK];
            let of_right = &mut of_right[..out.len()];
            add_up(right, known, of_right);
            out.iter_mut().zip(of_right).for_each(|(sum, x)| *sum += *x);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranks_nodes_have_the_sum_of_the_whole_tree() {
        for parts in 1..=9usize {
            // Sums of such numbers depend on their order.
            let numbers: Vec<[f32; 3]> = (0..parts)
                .map(|k| [1.1f32, 1e7, -3.3].map(|x| x * ((k * k) as f32 - 7.3)))
                .collect();
            let single = |node: &Range<usize>| (node.len() == 1).then(|| &numbers[node.start][..]);
            let mut whole = [0.0; 3];
            add_up(0..parts, &single, &mut whole);
            for ranks in 1..=parts {
                let mut nodes = Vec::new();
                for rank in 0..ranks {
                    let own = parts * rank / ranks..parts * (rank + 1) / ranks;
                    let before = nodes.len();
                    cover(0..parts, &own, &mut nodes);
                    let covered = nodes[before..].iter().flat_map(Range::clone);
                    assert!(covered.eq(own), "{parts} {ranks}");
                }
                let sums: Vec<[f32; 3]> = nodes
                    .iter()
                    .map(|node| {
                        let mut sum = [0.0; 3];
                        add_up(node.clone(), &single, &mut sum);
                        sum
                    })
                    .collect();
                let known = |node: &Range<usize>| {
                    let at = nodes.iter().position(|other| other == node)?;
                    Some(&sums[at][..])
                };
                let mut again = [0.0; 3];
                add_up(0..parts, &known, &mut again);
                assert_eq!(again.map(f32::to_bits), whole.map(f32::to_bits));
                if parts == 8 && ranks.is_power_of_two() {
                    assert_eq!(nodes.len(), ranks);
                }
            }
        }
    }
}
