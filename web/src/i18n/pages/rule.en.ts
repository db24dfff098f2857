export default {
  unknown: "The rules of this gate have no such rule.",
  phase: "phase {n}",
  excluded: "{n} {n|exclusion concerns|exclusions concern} it",
};
