"use strict";
// Carries the token from the address to the target. See docs/token.md.
(() => {
  const page = document.documentElement;
  const form = document.getElementById("jump");
  const back = document.getElementById("back");

  // Until it is posted, which it is at most once. It never stands in the document.
  let token = location.hash.slice(1);
  // Before anything else: out of the address, and out of what the browser keeps of this tab.
  history.replaceState(null, "", location.pathname);

  const show = (state) => {
    page.dataset.state = state;
  };
  const end = (state) => {
    token = "";
    show(state);
  };

  // The name of the token, and when it expires, in seconds since 1970; null for what is no token.
  const read = (text) => {
    if (text.length > 2048 || !/^[\w-]+\.[\w-]+\.[\w-]+$/.test(text)) {
      return null;
    }
    try {
      const payload = text.split(".")[1].replace(/-/g, "+").replace(/_/g, "/");
      const { jti, exp } = JSON.parse(atob(payload));
      return typeof jti === "string" && typeof exp === "number" ? { jti, exp } : null;
    } catch {
      return null;
    }
  };

  // Whether no other tab of this browser has posted it: a token that arrives twice looks stolen. What is kept of it is its name,
  // which opens nothing, until it has expired.
  const isFirst = ({ jti, exp }, now) => {
    const name = `jump ${jti}`;
    try {
      const names = Object.keys(localStorage).filter((kept) => kept.startsWith("jump "));
      names.filter((old) => !(Number(localStorage.getItem(old)) > now)).forEach((old) => localStorage.removeItem(old));
      const isTaken = localStorage.getItem(name) !== null;
      // No token is good for an hour, whatever it says.
      localStorage.setItem(name, String(Math.min(exp, now + 3600) + 5));
      return !isTaken;
    } catch {
      // It keeps nothing for us.
      return true;
    }
  };

  const begin = () => {
    const known = read(token);
    // By the clock of the service: that of this machine may be wrong, and the service has the last word anyway.
    const now = Number(form.dataset.now);
    const left = known === null ? 0 : known.exp + 5 - now;
    if (left < 0) {
      end("expired");
    } else if (known === null || !isFirst(known, now)) {
      end("spent");
    } else {
      try {
        // While the page is still loading, the target takes its place in the history.
        form.submit();
      } catch {
        // Then it is still here.
      }
      // Whatever kept the browser from it, a press of the button may not.
      show(token === "" ? "leaving" : "stuck");
      setTimeout(() => {
        if (token !== "") {
          end("expired");
        }
      }, left * 1000);
    }
  };

  if (back !== null && history.length > 1) {
    back.hidden = false;
    back.addEventListener("click", () => history.back());
  }

  // Another link to this page, opened in the same tab: the browser has only changed the fragment.
  addEventListener("hashchange", () => location.reload());

  // Nothing to post, or a browser that could only post what stands in the document: the page says what is missing.
  if (form === null || !("FormDataEvent" in window)) {
    token = "";
    return;
  }

  // The one place where the token goes: into what is posted, whoever posts it.
  form.addEventListener("formdata", (event) => {
    event.formData.set("token", token);
    token = "";
  });
  // The button. A second press posts nothing: a token that arrives twice looks stolen.
  form.addEventListener("submit", (event) => {
    if (token === "") {
      event.preventDefault();
      show("spent");
    } else {
      show("leaving");
    }
  });
  // The answer of the target redirects where it may not.
  document.addEventListener("securitypolicyviolation", (event) => {
    if (event.effectiveDirective === "form-action") {
      end("blocked");
    }
  });
  // The browser has kept the whole page and shows it again.
  addEventListener("pageshow", (event) => {
    if (event.persisted) {
      end("spent");
    }
  });

  // A page that a browser prepares on suspicion is not one that somebody opened.
  if (document.prerendering) {
    document.addEventListener("prerenderingchange", begin, { once: true });
  } else {
    begin();
  }
})();
