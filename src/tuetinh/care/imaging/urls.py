"""Addresses of imaging's pages."""

from __future__ import annotations

from django.urls import path

from tuetinh.care.imaging import exam_pages, pages
from tuetinh.care.imaging.ai import pages as ai_pages
from tuetinh.care.imaging.archive import study_pages
from tuetinh.care.imaging.archive.pages import storage, strays
from tuetinh.care.imaging.capture import pages as capture
from tuetinh.care.imaging.capture.disc import pages as disc
from tuetinh.care.imaging.dose import pages as dose_pages
from tuetinh.care.imaging.handover import pages as handover
from tuetinh.care.imaging.reading import pages as reading
from tuetinh.care.imaging.remote import pages as remote
from tuetinh.care.imaging.retention.pages import study_holds
from tuetinh.care.imaging.rooms import pages as room_pages
from tuetinh.care.imaging.rules import pages as rule_pages
from tuetinh.care.imaging.safety import pages as safety_pages
from tuetinh.care.imaging.statistics.pages import statistics, statistics_file
from tuetinh.care.imaging.teaching.pages import teaching
from tuetinh.care.imaging.viewer.pages import viewer

app_name = "imaging"
urlpatterns = [
    path("imaging", exam_pages.worklist, name="worklist"),
    path("imaging/exams/<int:exam_id>", exam_pages.exam, name="exam"),
    path("imaging/exams/<int:exam_id>/plan", exam_pages.plan, name="plan"),
    path("imaging/exams/<int:exam_id>/begin", exam_pages.begin, name="begin"),
    path("imaging/exams/<int:exam_id>/finish", exam_pages.finish, name="finish"),
    path("imaging/exams/<int:exam_id>/write", exam_pages.write, name="write"),
    path("imaging/exams/<int:exam_id>/sign", exam_pages.sign, name="sign"),
    path("imaging/exams/<int:exam_id>/report.pdf", exam_pages.report, name="report"),
    path("imaging/exams/<int:exam_id>/add", capture.add, name="add"),
    path("imaging/exams/<int:exam_id>/camera", capture.camera, name="camera"),
    path("imaging/exams/<int:exam_id>/clip", capture.clip, name="clip"),
    path("imaging/exams/<int:exam_id>/parts/<str:uid>/<int:frame>", capture.part, name="part"),
    path("imaging/discs", disc.discs, name="discs"),
    path("imaging/discs/<int:disc_id>", disc.disc, name="disc"),
    path("imaging/arriving", capture.arriving_piece, name="arriving"),
    path("imaging/exams/<int:exam_id>/handover", handover.hand_over, name="hand-over"),
    path("imaging/exams/<int:exam_id>/handover/<int:given_id>/slip.pdf", handover.slip, name="slip"),
    path("imaging/exams/<int:exam_id>/handover/<int:given_id>/end", handover.take_back, name="take-back"),
    path("imaging/exams/<int:exam_id>/packages", handover.pack, name="pack"),
    path("imaging/exams/<int:exam_id>/packages/<int:package_id>", handover.package, name="package"),
    path("imaging/read", reading.worklist, name="read"),
    path("imaging/read/next", reading.take_next, name="read-next"),
    path("imaging/read/<int:exam_id>", reading.reading, name="reading"),
    path("imaging/read/<int:exam_id>/take", reading.take, name="take"),
    path("imaging/read/<int:exam_id>/release", reading.release, name="release"),
    path("imaging/read/<int:exam_id>/keep", reading.keep, name="keep"),
    path("imaging/read/<int:exam_id>/compose", reading.compose, name="compose"),
    path("imaging/read/<int:exam_id>/pass-on", reading.hand_over, name="pass-on"),
    path("imaging/read/<int:exam_id>/give-back", reading.give_back, name="give-back"),
    path("imaging/read/<int:exam_id>/sign", reading.sign, name="sign-reading"),
    path("imaging/read/<int:exam_id>/choose", reading.choose, name="choose"),
    path("imaging/read/<int:exam_id>/tell", reading.tell, name="tell"),
    path("imaging/read/<int:exam_id>/call", reading.call, name="call"),
    path("imaging/board", reading.board, name="reading-board"),
    path("imaging/calls", reading.calls, name="calls"),
    path("imaging/peers", reading.peer_list, name="peers"),
    path("imaging/peers/next", reading.peer_next, name="peer-next"),
    path("imaging/peers/<int:review_id>", reading.peer, name="peer"),
    path("imaging/readers", reading.reader_list, name="readers"),
    path("imaging/look", remote.look, name="look"),
    path("imaging/opinions", remote.opinion_list, name="opinions"),
    path("imaging/opinions/new", remote.new_opinion, name="new-opinion"),
    path("imaging/opinions/<int:opinion_id>", remote.opinion, name="opinion"),
    path("imaging/opinions/<int:opinion_id>/answer", remote.answer, name="answer-opinion"),
    path("imaging/opinions/<int:opinion_id>/close", remote.close_opinion, name="close-opinion"),
    path("imaging/sending", remote.sending_list, name="sending"),
    path("imaging/sending/new", remote.send, name="send"),
    path("imaging/exams/<int:exam_id>/teaching", teaching, name="teaching"),
    path("imaging/viewer", viewer, name="viewer"),
    path("imaging/schedule", room_pages.schedule, name="schedule"),
    path("imaging/exams/<int:exam_id>/book", room_pages.book, name="book"),
    path("imaging/exams/<int:exam_id>/cancel-booking", room_pages.cancel_booking, name="cancel-booking"),
    path("imaging/exams/<int:exam_id>/protocol", room_pages.choose, name="choose-protocol"),
    path("imaging/exams/<int:exam_id>/preparation.pdf", room_pages.preparation, name="preparation"),
    path("imaging/exams/<int:exam_id>/safety", safety_pages.check, name="safety-check"),
    path("imaging/exams/<int:exam_id>/safety/override", safety_pages.override, name="safety-override"),
    path("imaging/safety", safety_pages.stopped, name="safety"),
    path("imaging/rooms", room_pages.room_list, name="rooms"),
    path("imaging/rooms/new", room_pages.new_room, name="new-room"),
    path("imaging/rooms/<int:room_id>", room_pages.room, name="room"),
    path("imaging/rooms/<int:room_id>/day", room_pages.room_day, name="room-day"),
    path("imaging/rooms/<int:room_id>/close", room_pages.close, name="close-room"),
    path("imaging/rooms/<int:room_id>/reopen/<int:booking_id>", room_pages.reopen, name="reopen-room"),
    path("imaging/rules", rule_pages.rules, name="rules"),
    path("imaging/rules/<str:code>", rule_pages.rule, name="rule"),
    path("imaging/ai", ai_pages.models, name="ai"),
    path("imaging/ai/<int:result_id>/judge", ai_pages.judge, name="ai-judge"),
    path("imaging/dose", dose_pages.register, name="dose"),
    path("imaging/dose.xlsx", dose_pages.file, name="dose-xlsx"),
    path("imaging/dose/people/<str:patient_id>", dose_pages.person, name="dose-person"),
    path("imaging/waiting", pages.waiting, name="waiting"),
    path("imaging/waiting/<int:held_id>", pages.held, name="held"),
    path("imaging/waiting/unreadable/<int:row_id>", pages.unreadable, name="unreadable"),
    path("imaging/studies", study_pages.study_list, name="studies"),
    path("imaging/studies/<int:study_id>", study_pages.correct, name="correct"),
    path("imaging/studies/<int:study_id>/patient", pages.whose, name="whose"),
    path("imaging/statistics", statistics, name="statistics"),
    path("imaging/statistics.xlsx", statistics_file, name="statistics-xlsx"),
    path("imaging/holds", study_holds, name="holds"),
    path("imaging/storage", storage, name="storage"),
    path("imaging/strays", strays, name="strays"),
    path("imaging/devices", pages.device_list, name="devices"),
    path("imaging/devices/new", pages.new_device, name="new-device"),
    path("imaging/devices/<int:device_id>", pages.device, name="device"),
]
