// Verifies a callback with the standardwebhooks package from npm. Input: {"secret", "headers", "body"}; exit 0 = it holds.
const { Webhook } = require("standardwebhooks");

let text = "";
process.stdin.on("data", (part) => (text += part));
process.stdin.on("end", () => {
  const { secret, headers, body } = JSON.parse(text);
  try {
    new Webhook(secret).verify(body, headers);
  } catch (error) {
    console.error(String(error.message));
    process.exit(1);
  }
});
