"use strict";
// Passkeys: the browser makes them and signs with them. What it sends is checked by the server.
(() => {
  const encode = (buffer) => btoa(String.fromCharCode(...new Uint8Array(buffer))).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
  const decode = (text) => Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (c) => c.charCodeAt(0));
  const put = (form, name, text) => {
    const field = form.elements[name] ?? form.appendChild(Object.assign(document.createElement("input"), { type: "hidden", name }));
    field.value = text;
  };
  const says = (form, error) => {
    const place = form.querySelector("[data-passkey-failed]");
    place.hidden = false;
    place.textContent = error.name === "NotAllowedError" ? "The device did not sign: it was cancelled, or took too long. Nothing was done." : `${error.message} Nothing was done.`;
  };

  // Signs a vote.
  for (const form of document.querySelectorAll("form[data-sign]")) {
    form.querySelector("[data-passkey]").addEventListener("click", async () => {
      try {
        const { response, rawId } = await navigator.credentials.get({ publicKey: {
          challenge: decode(form.dataset.challenge), rpId: form.dataset.site, userVerification: "required", timeout: 120000,
          allowCredentials: form.dataset.credentials.split(" ").map((id) => ({ type: "public-key", id: decode(id) })),
        } });
        put(form, "assertion:credential", encode(rawId));
        put(form, "assertion:authenticator_data", encode(response.authenticatorData));
        put(form, "assertion:client_data", encode(response.clientDataJSON));
        put(form, "assertion:signature", encode(response.signature));
        form.submit();
      } catch (error) { says(form, error); }
    });
  }

  // Makes a passkey.
  for (const form of document.querySelectorAll("form[data-make]")) {
    form.querySelector("[data-passkey]").addEventListener("click", async () => {
      if (!form.reportValidity()) return;
      try {
        const { response } = await navigator.credentials.create({ publicKey: {
          challenge: decode(form.dataset.challenge), rp: { id: form.dataset.site, name: "Countersign" },
          user: { id: new TextEncoder().encode(form.dataset.user).slice(0, 64), name: form.dataset.user, displayName: form.dataset.user },
          pubKeyCredParams: [{ type: "public-key", alg: -7 }], attestation: "none", timeout: 120000,
          authenticatorSelection: { userVerification: "required" },
          excludeCredentials: form.dataset.credentials.split(" ").filter(Boolean).map((id) => ({ type: "public-key", id: decode(id) })),
        } });
        put(form, "authenticator_data", encode(response.getAuthenticatorData()));
        put(form, "client_data", encode(response.clientDataJSON));
        form.submit();
      } catch (error) { says(form, error); }
    });
  }
})();
