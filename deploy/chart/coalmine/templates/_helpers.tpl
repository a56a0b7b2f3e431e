{{- define "coalmine.fullname" -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 52 | trimSuffix "-" -}}
{{- else if contains $name .Release.Name -}}
{{- .Release.Name | trunc 52 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 52 | trimSuffix "-" -}}
{{- end -}}
{{- end }}

{{/* By its name the console looks for the pods, whatever the release is called. */}}
{{- define "coalmine.selector" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "coalmine.labels" -}}
{{ include "coalmine.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end }}

{{- define "coalmine.image" -}}
{{ .Values.image.repository }}:{{ default .Chart.AppVersion .Values.image.tag }}
{{- end }}

{{/* The Secret with the settings that are secret. */}}
{{- define "coalmine.secret" -}}
{{ default (printf "%s-secrets" (include "coalmine.fullname" .)) .Values.existingSecret }}
{{- end }}

{{/* The ServiceAccount of a role: (list $ "beat"). All roles of the compact form share one. */}}
{{- define "coalmine.account" -}}
{{- $root := first . -}}
{{- $name := default (include "coalmine.fullname" $root) $root.Values.serviceAccount.name -}}
{{- if $root.Values.compact }}{{ $name }}{{ else }}{{ $name }}-{{ last . }}{{ end -}}
{{- end }}

{{/* Container port to its number; the second is that of the beat in the compact form. All else says
  the names. */}}
{{- define "coalmine.ports" -}}
{http: 8080, http-beat: 8081}
{{- end }}

{{- define "coalmine.roles" -}}
["beat", "analysis", "hooks", "routing", "report"]
{{- end }}

{{- define "coalmine.settings" -}}
COALMINE_LOG_LEVEL: {{ .Values.logLevel | quote }}
COALMINE_METRICS_SERVER: {{ .Values.metricsServer | quote }}
{{- with .Values.meshProvider }}
COALMINE_MESH_PROVIDER: {{ . | quote }}
{{- end }}
{{- with .Values.namespace }}
COALMINE_NAMESPACE: {{ . | quote }}
{{- end }}
{{- with .Values.clusterName }}
COALMINE_CLUSTER_NAME: {{ . | quote }}
{{- end }}
{{- with .Values.selectorLabels }}
COALMINE_SELECTOR_LABELS: {{ . | quote }}
{{- end }}
{{- with .Values.includeLabelPrefix }}
COALMINE_INCLUDE_LABEL_PREFIX: {{ . | quote }}
{{- end }}
{{- if not .Values.configTracking.enabled }}
COALMINE_ENABLE_CONFIG_TRACKING: "false"
{{- end }}
{{- if .Values.noCrossNamespaceRefs }}
COALMINE_NO_CROSS_NAMESPACE_REFS: "true"
{{- end }}
{{- with .Values.slack.user }}
COALMINE_SLACK_USER: {{ . | quote }}
{{- end }}
{{- with .Values.slack.channel }}
COALMINE_SLACK_CHANNEL: {{ . | quote }}
{{- end }}
{{- with .Values.alertmanager.gateWait }}
COALMINE_ALERTMANAGER_GATE_WAIT: {{ . | quote }}
{{- end }}
{{- with .Values.alertLink }}
COALMINE_ALERT_LINK: {{ . | quote }}
{{- end }}
{{- with .Values.kubeconfigQPS }}
COALMINE_KUBECONFIG_QPS: {{ . | quote }}
{{- end }}
{{- with .Values.kubeconfigBurst }}
COALMINE_KUBECONFIG_BURST: {{ . | quote }}
{{- end }}
{{- range $name, $value := .Values.settings }}
{{ $name }}: {{ $value | quote }}
{{- end }}
{{- end }}

{{/* The values that are secret, but for the URL of Redis. */}}
{{- define "coalmine.secretValues" -}}
{{- $values := dict
  "COALMINE_BROKER_URL" .Values.redis.brokerUrl
  "COALMINE_EVENT_WEBHOOK" .Values.eventWebhook
  "COALMINE_SLACK_URL" .Values.slack.url
  "COALMINE_SLACK_TOKEN" .Values.slack.token
  "COALMINE_SLACK_PROXY_URL" .Values.slack.proxyUrl
  "COALMINE_MSTEAMS_URL" .Values.msteams.url
  "COALMINE_MSTEAMS_PROXY_URL" .Values.msteams.proxyUrl
  "COALMINE_ALERTMANAGER_URL" .Values.alertmanager.url
-}}
{{- range $name, $value := $values }}
{{- with $value }}
{{ $name }}: {{ . | quote }}
{{- end }}
{{- end }}
{{- end }}

{{- define "coalmine.secrets" -}}
{{- if .Values.redis.url }}
COALMINE_REDIS_URL: {{ .Values.redis.url | quote }}
{{- else if .Values.valkey.install }}
COALMINE_REDIS_URL: redis://{{ include "coalmine.fullname" . }}-valkey:6379/0
{{- end }}
{{- range $name, $value := include "coalmine.secretValues" . | fromYaml }}
{{ $name }}: {{ $value | quote }}
{{- end }}
{{- end }}
