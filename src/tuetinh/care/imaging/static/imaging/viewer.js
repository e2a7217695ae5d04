// How OHIF is set up here. Runs before it: what it may ask, of whom, and what it leaves out.
"use strict";

(() => {
  const { study, folder, script, token, reports } = document.currentScript.dataset;
  const archive = `${location.origin}/dicom-web`;
  const narrow = matchMedia("(max-width: 640px)").matches; // a phone: the picture has the room
  const words = JSON.parse(document.getElementById("viewer-words").textContent);

  window.viewerSays = words; // for what OHIF would say in English alone
  window.PUBLIC_URL = folder;
  window.browserImportFunction = (name) => import(name);

  // What is sent to be kept proves that it comes from a page of ours.
  const open = XMLHttpRequest.prototype.open;
  XMLHttpRequest.prototype.open = function (method, url, ...rest) {
    open.call(this, method, url, ...rest);
    if (method.toUpperCase() === "POST" && new URL(url, location.href).origin === location.origin) {
      this.setRequestHeader("X-CSRFToken", token);
    }
  };

  // Measurements are kept at one press, as a DICOM SR of the study; OHIF would ask for names and numbers of series.
  const house = {
    id: "tuetinh",
    getCommandsModule: ({ servicesManager, commandsManager }) => {
      const { displaySetService, measurementService, uiNotificationService } = servicesManager.services;
      window.viewerServices = servicesManager.services; // for those who look together
      const say = (message, type) => uiNotificationService.show({ title: words.title, message, type });
      const keep = async ({ StudyInstanceUID, measurementFilter = () => true }) => {
        const measurementData = measurementService.getMeasurements(
          (one) => one.referenceStudyUID === StudyInstanceUID && measurementFilter(one),
        );
        if (reports === undefined) return say(words.notYours, "error");
        if (!measurementData.length) return say(words.none, "info");
        const known = displaySetService.getDisplaySetsBy((one) => one.Modality === "SR" && one.StudyInstanceUID === StudyInstanceUID);
        const options = { SeriesDescription: words.title, SeriesNumber: 3001 + known.length };
        const told = { measurementData, additionalFindingTypes: ["ArrowAnnotate"], options };
        try {
          await commandsManager.runCommand("storeMeasurements", told, "CORNERSTONE_STRUCTURED_REPORT");
          return say(words.kept, "success");
        } catch {
          return say(words.failed, "error");
        }
      };
      return { defaultContext: "DEFAULT", definitions: { promptSaveReport: { commandFn: keep } } };
    },
  };
  document.documentElement.classList.toggle("looks-only", reports === undefined);

  // The first picture, which the server has drawn, stands there until the viewer draws its own.
  const leave = () => document.getElementById("first")?.remove();
  document.addEventListener("CORNERSTONE_IMAGE_RENDERED", leave, { capture: true, once: true });
  document.addEventListener("error", ({ target }) => target.parentElement?.id === "first" && leave(), true);
  document.addEventListener("keydown", ({ key }) => key === "Escape" && leave(), { once: true });
  setTimeout(leave, 30_000); // so that what the viewer says of a fault is seen

  // The viewer's own scripts keep line, node and browser busy for seconds: they begin when that picture is there.
  const soon = JSON.parse(document.getElementById("viewer-soon").textContent);
  const begin = () => {
    document.head.append(Object.assign(document.createElement("script"), { src: script }));
    document.head.append(...soon.map((name) => Object.assign(document.createElement("link"), { rel: "preload", as: "script", href: folder + name })));
  };
  document.addEventListener("DOMContentLoaded", async () => {
    const picture = document.querySelector("#first img");
    const drawn = picture?.decode().then(() => new Promise((next) => requestAnimationFrame(() => setTimeout(next))));
    await Promise.race([drawn, new Promise((next) => setTimeout(next, 1500))]).catch(() => {});
    begin();
  });

  window.config = {
    routerBasename: "/imaging",
    extensions: [house],
    modes: [],
    modesConfiguration: {
      "@ohif/mode-basic": {
        routeName: { $set: "viewer" },
        routes: { 0: { layoutInstance: { props: { leftPanelClosed: { $set: narrow } } } } },
      },
    },
    customizationService: { "ohif.tours": { $set: [] } },
    whiteLabeling: {
      createLogoComponentFn: (React) => React.createElement("a", { href: "/", className: "house" }, "Tuệ Tĩnh"),
    },
    useCPURendering: !document.createElement("canvas").getContext("webgl2"),
    showStudyList: false,
    showPatientInfo: "visible",
    disableConfirmationPrompts: true, // whoever opens regions wants to see them
    investigationalUseDialog: { option: "never" },
    showCPUFallbackMessage: false,
    showErrorDetails: "dev",
    strictZSpacingForVolumeViewport: true,
    maxNumberOfWebWorkers: Math.min(3, Math.max(1, (navigator.hardwareConcurrency || 2) - 1)),
    maxNumRequests: { interaction: 20, thumbnail: 4, prefetch: 8 },
    defaultDataSourceName: "archive",
    dataSources: [
      {
        namespace: "@ohif/extension-default.dataSourcesModule.dicomweb",
        sourceName: "archive",
        configuration: {
          friendlyName: "Tuệ Tĩnh",
          name: "archive",
          // All studies of the same person, and of nobody else, whatever PatientID the machines wrote.
          qidoRoot: `${archive}/beside/${study}`,
          wadoRoot: archive,
          imageRendering: "wadors",
          thumbnailRendering: "thumbnail",
          thumbnailRequestStrategy: "fetch",
          enableStudyLazyLoad: true,
          supportsFuzzyMatching: false,
          supportsWildcard: false,
          requestTransferSyntaxUID: "*",
          omitQuotationForMultipartRequest: true,
          singlepart: "bulkdata,video,pdf",
          bulkDataURI: { enabled: true },
        },
      },
    ],
  };
})();
