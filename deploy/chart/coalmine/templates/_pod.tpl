{{/* One container: (dict "root" $ "name" NAME "args" ARGS "port" NAME OF PORT "resources" RESOURCES). */}}
{{- define "coalmine.container" -}}
name: {{ .name }}
image: {{ include "coalmine.image" .root }}
imagePullPolicy: {{ .root.Values.image.pullPolicy }}
args: {{ toJson .args }}
ports:
- name: {{ .port }}
  containerPort: {{ get (include "coalmine.ports" . | fromYaml) .port }}
env:
- name: POD_NAME
  valueFrom:
    fieldRef:
      fieldPath: metadata.name
{{- if ne .port "http" }}
- name: COALMINE_LISTEN_PORT
  value: {{ get (include "coalmine.ports" . | fromYaml) .port | quote }}
{{- end }}
{{- with .root.Values.env }}
{{ toYaml . }}
{{- end }}
envFrom:
- configMapRef:
    name: {{ include "coalmine.fullname" .root }}-settings
- secretRef:
    name: {{ include "coalmine.secret" .root }}
livenessProbe:
  httpGet:
    path: /healthz
    port: {{ .port }}
  periodSeconds: 10
  timeoutSeconds: 5
readinessProbe:
  httpGet:
    path: /readyz
    port: {{ .port }}
  periodSeconds: 5
  timeoutSeconds: 5
resources: {{ toJson (mustMergeOverwrite (deepCopy .root.Values.resources) (default (dict) .resources)) }}
{{ include "coalmine.confinement" . }}
volumeMounts:
- name: tmp
  mountPath: /tmp
{{- with .root.Values.additionalVolumeMounts }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* What a container of ours may do on its node. */}}
{{- define "coalmine.confinement" -}}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities:
    drop: [ALL]
{{- end }}

{{/* As whom a pod of ours runs, and without the variables of Services: one called flower would be taken
  for Flower's settings. */}}
{{- define "coalmine.user" -}}
enableServiceLinks: false
securityContext:
  runAsNonRoot: true
  runAsUser: 10001
  runAsGroup: 10001
  seccompProfile:
    type: RuntimeDefault
{{- end }}

{{/* The parts of a pod that do not depend on its role. */}}
{{- define "coalmine.pod" -}}
{{ include "coalmine.user" . }}
topologySpreadConstraints:
- topologyKey: kubernetes.io/hostname
  maxSkew: 1
  whenUnsatisfiable: ScheduleAnyway
  labelSelector:
    matchLabels: {{- include "coalmine.selector" . | nindent 6 }}
  matchLabelKeys: [app.kubernetes.io/component]
volumes:
- name: tmp
  emptyDir:
    sizeLimit: 64Mi
{{- with .Values.additionalVolumes }}
{{ toYaml . }}
{{- end }}
{{ include "coalmine.placement" . }}
{{- end }}

{{/* Where a pod of ours is pulled from and put. */}}
{{- define "coalmine.placement" -}}
{{- with .Values.image.pullSecret }}
imagePullSecrets:
- name: {{ . }}
{{- end }}
{{- with .Values.podPriorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with .Values.nodeSelector }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.tolerations }}
tolerations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.affinity }}
affinity: {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/* A Deployment: (dict "root" $ "role" ROLE "name" NAME "replicas" N "grace" SECONDS
  "containers" CONTAINERS); replicas below 0 are somebody else's business. */}}
{{- define "coalmine.deployment" -}}
{{- $root := .root -}}
{{- $component := dict "app.kubernetes.io/component" .role -}}
{{- $selector := mustMerge $component (include "coalmine.selector" $root | fromYaml) -}}
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {{ .name }}
  namespace: {{ $root.Release.Namespace }}
  labels:
    {{- mustMerge (dict) $selector (include "coalmine.labels" $root | fromYaml) $root.Values.deploymentLabels | toYaml | nindent 4 }}
  {{- with $root.Values.annotations }}
  annotations: {{- toYaml . | nindent 4 }}
  {{- end }}
spec:
  {{- if ge (int .replicas) 0 }}
  replicas: {{ .replicas }}
  {{- end }}
  revisionHistoryLimit: 3
  strategy:
    rollingUpdate:
      maxSurge: 1
      maxUnavailable: 0
  selector:
    matchLabels: {{- toYaml $selector | nindent 6 }}
  template:
    metadata:
      labels:
        {{- mustMerge (dict) $selector (dict "app.kubernetes.io/version" $root.Chart.AppVersion "sidecar.istio.io/inject" "false") $root.Values.podLabels | toYaml | nindent 8 }}
      annotations:
        checksum/settings: {{ include "coalmine.settings" $root | sha256sum }}
        checksum/secrets: {{ include "coalmine.secrets" $root | sha256sum }}
        prometheus.io/scrape: "true"
        {{- with $root.Values.podAnnotations }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
    spec:
      serviceAccountName: {{ include "coalmine.account" (list $root .role) }}
      {{- if eq .role "hooks" }}
      automountServiceAccountToken: false
      {{- end }}
      terminationGracePeriodSeconds: {{ .grace }}
      {{- include "coalmine.pod" $root | nindent 6 }}
      containers:
      {{- range .containers }}
      - {{- include "coalmine.container" (merge . (dict "root" $root)) | nindent 8 }}
      {{- end }}
{{- end }}
