//! Transformation chains, stored as a tree in which chains share their prefixes.
//!
//! `t:urlDecodeUni,t:lowercase` and `t:urlDecodeUni,t:htmlEntityDecode` share the node of `urlDecodeUni`, so a value is decoded
//! once for both.

use seclang::transformation::Transformation;

/// A node of a [`ChainTree`], and so the chain that leads to it. [`ChainId::NONE`] is the empty chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct ChainId(pub(crate) u16);

impl ChainId {
    /// The chain without transformations.
    pub(crate) const NONE: ChainId = ChainId(0);
}

/// One transformation after a shorter chain.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ChainNode {
    pub(crate) parent: ChainId,
    pub(crate) transformation: Transformation,
}

/// All chains of a rule set.
#[derive(Debug, Default)]
pub(crate) struct ChainTree {
    /// Node `n` is at index `n - 1`, because the empty chain has no node.
    nodes: Vec<ChainNode>,
}

impl ChainTree {
    /// Returns the chain that applies `transformations` in order. Rule sets have some dozens of chains.
    pub(crate) fn intern(&mut self, transformations: &[Transformation]) -> ChainId {
        let mut id = ChainId::NONE;
        for &transformation in transformations {
            let found = self.nodes.iter().position(|n| n.parent == id && n.transformation == transformation);
            let index = found.unwrap_or_else(|| {
                self.nodes.push(ChainNode { parent: id, transformation });
                self.nodes.len() - 1
            });
            // The compiler refuses more than limits::CHAINS.
            id = ChainId(u16::try_from(index + 1).unwrap_or(u16::MAX));
        }
        id
    }

    /// Returns the last step of a chain; none for the empty chain.
    pub(crate) fn node(&self, id: ChainId) -> Option<ChainNode> {
        (id.0 as usize).checked_sub(1).and_then(|index| self.nodes.get(index).copied())
    }

    /// Returns the transformations of a chain as in a rule: `urlDecodeUni,lowercase`; `none` for the empty chain.
    pub(crate) fn name(&self, id: ChainId) -> String {
        match self.node(id) {
            None => "none".to_owned(),
            Some(node) if node.parent == ChainId::NONE => node.transformation.name().to_owned(),
            Some(node) => format!("{},{}", self.name(node.parent), node.transformation.name()),
        }
    }

    /// Returns the number of chains, including the empty one.
    pub(crate) fn len(&self) -> usize {
        self.nodes.len() + 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Transformation::*;

    #[test]
    fn chains_share_prefixes() {
        let mut tree = ChainTree::default();
        let short = tree.intern(&[UrlDecodeUni]);
        let long = tree.intern(&[UrlDecodeUni, Lowercase]);
        assert_eq!(tree.node(long).map(|n| n.parent), Some(short));
        assert_eq!(tree.intern(&[UrlDecodeUni, Lowercase]), long);
        assert_eq!(tree.intern(&[]), ChainId::NONE);
        assert_eq!(tree.len(), 3);
        assert_eq!([tree.name(long), tree.name(ChainId::NONE)], ["urlDecodeUni,lowercase", "none"]);
    }

    #[test]
    fn too_many_chains_are_an_error() {
        let load = |steps: usize| {
            let steps = "t:lowercase,t:uppercase,".repeat(steps / 2);
            let text = format!("SecRule ARGS \"@contains a\" \"id:1,phase:2,{steps}pass\"");
            let document = seclang::parse_str("a.conf", text).unwrap();
            crate::RuleSet::compile(&document, &crate::operators::NoFiles).map(|_| ())
        };
        assert!(load(100).is_ok());
        let errors = load(crate::limits::CHAINS + 2).unwrap_err();
        assert_eq!(errors[0].to_string(), "a.conf:1: more than 4096 chains of transformations in all rules");
    }
}
