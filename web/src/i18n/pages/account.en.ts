export default { title: "Account" };
