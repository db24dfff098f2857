export default {
  role: "bar chart",
  hint: "Drag to zoom. By keyboard: arrows choose a bar, Enter zooms.",
};
