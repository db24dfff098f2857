export default { title: "アカウント" };
